"""The burst finds its own animal: a trap stands still, so what changes within a burst is the animal (DESIGN 3).

Decides which part of each frame is scored, and says why in one word where it is the whole frame. Works on small grey
thumbnails only; decoding and cropping belong to `preprocessing`, keeping the rolling background to the trap.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Light = NDArray[np.float32]
Mask = NDArray[np.bool_]

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Region(msgspec.Struct, frozen=True):
    """A part of the oriented frame, in fractions of its width and height; it never leaves the frame."""

    left: float
    top: float
    width: float
    height: float


class RegionRule(msgspec.Struct, frozen=True):
    """How regions are found; travels in the bundle's manifest, so that trap and training agree.

    `thumbnail_width` in pixels; `min_change` in grey levels (0 to 255); percentiles in 0 to 100; `min_side`,
    `strip_top` and `strip_bottom` are fractions of the frame's height.
    """

    thumbnail_width: Annotated[int, Meta(ge=16, le=1024)] = 256
    min_change: Annotated[float, Meta(ge=0.0, le=255.0)] = 12.0
    sds: Annotated[float, Meta(ge=0.0)] = 3.0
    min_changed_pixels: Annotated[int, Meta(ge=1)] = 30
    low_percentile: Annotated[float, Meta(ge=0.0, le=100.0)] = 3.0
    high_percentile: Annotated[float, Meta(ge=0.0, le=100.0)] = 97.0
    scale: Annotated[float, Meta(ge=1.0)] = 1.4
    min_side: Fraction = 0.25
    strip_top: Fraction = 0.05
    strip_bottom: Fraction = 0.08


class RegionChoice(msgspec.Struct, frozen=True):
    """What to score of one frame: a region, or the whole frame (None), and the reason in one machine word.

    With a region: `changed` (something moved here), `neighbour` (this frame showed nothing, its nearest neighbour did).
    Without: `no-change`, `single-frame` (nothing to compare with), `sizes-differ` (frames of unequal shape).
    """

    region: Region | None
    reason: str


def thumbnail(image: Image.Image, rule: RegionRule) -> Grey:
    """A grey thumbnail of an oriented RGB or L picture: uint8 (height, width), at most `rule.thumbnail_width` wide."""
    width = min(rule.thumbnail_width, image.width)
    height = max(1, round(image.height * width / image.width))
    small = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"), dtype=np.uint8)


def regions(
    thumbnails: Sequence[Grey],
    rule: RegionRule,
    background: Grey | Light | None = None,
    strips: tuple[float, float] | None = None,
) -> list[RegionChoice]:
    """What to score of each frame of a burst: one choice a frame, in the same order.

    Args:
        thumbnails: grey uint8 (height, width) each, as `thumbnail` gives them.
        rule: the bundle's rule.
        background: the trap's rolling background of the same light; used for bursts of one or two frames.
        strips: fractions of the height at top and bottom in which nothing is looked for (burnt-in info strips);
            the rule's where None.
    """
    if len({frame.shape for frame in thumbnails}) > 1:
        return [RegionChoice(None, "sizes-differ")] * len(thumbnails)
    frames = [_flattened(frame) for frame in thumbnails]
    behind = _behind(frames, background)
    if behind is None:
        return [RegionChoice(None, "single-frame")] * len(frames)
    rows = _rows_between_strips(frames[0].shape[0], strips or (rule.strip_top, rule.strip_bottom))
    found = [_region(np.abs(frame - back), rows, rule) for frame, back in zip(frames, behind, strict=True)]
    return _shared_with_neighbours(found)


def crop_box(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The region in pixels of a frame of that (width, height): left, top, right, bottom, as Pillow's `crop` takes them.

    Square where the frame allows; at least one pixel, never outside the frame.
    """
    width, height = size
    wide, high = region.width * width, region.height * height
    side = round(max(wide, high))
    left, right = _span(region.left * width + wide / 2, side, width)
    top, bottom = _span(region.top * height + high / 2, side, height)
    return left, top, right, bottom


def _span(centre: float, side: int, limit: int) -> tuple[int, int]:
    """Start and end of `side` pixels about a centre, shifted and cut to lie in 0..limit."""
    length = min(max(side, 1), limit)
    start = min(max(round(centre - length / 2), 0), limit - length)
    return start, start + length


def _flattened(frame: Grey | Light) -> Light:
    """Minus its own median, then blurred: float32 (height, width).

    In this order, and with a kernel of sixteenths, the arithmetic is exact: brightness cancels to the last bit.
    """
    grey = frame.astype(np.float32)
    return _blurred(grey - np.float32(np.median(grey)))


def _blurred(grey: Light) -> Light:
    """Smoothed by a 5 x 5 binomial kernel, edges repeated."""
    for axis in (0, 1):
        padding = [(2, 2) if axis == at else (0, 0) for at in (0, 1)]
        padded = np.pad(grey, padding, mode="edge").swapaxes(0, axis)
        n = grey.shape[axis]
        mixed = (
            padded[:n] + padded[4 : n + 4] + 4 * (padded[1 : n + 1] + padded[3 : n + 3]) + 6 * padded[2 : n + 2]
        ) / 16
        grey = mixed.swapaxes(0, axis).astype(np.float32, copy=False)
    return grey


def _behind(frames: list[Light], background: Grey | Light | None) -> list[Light] | None:
    """What each frame is compared with: the burst's median, the rolling background, else the other frame."""
    if len(frames) >= 3:
        return [np.median(frames, axis=0).astype(np.float32)] * len(frames)
    if background is not None and frames and background.shape == frames[0].shape:
        return [_flattened(background)] * len(frames)
    if len(frames) == 2:
        return [frames[1], frames[0]]
    return None


def _rows_between_strips(height: int, strips: tuple[float, float]) -> slice:
    """The rows in which an animal is looked for."""
    top, bottom = strips
    return slice(round(height * top), height - round(height * bottom))


def _region(change: Light, rows: slice, rule: RegionRule) -> Region | None:
    """Where one frame differs from what is behind it, or None where it hardly does."""
    inside = change[rows]
    if not inside.size:
        return None
    changed = inside > max(rule.min_change, float(inside.mean() + rule.sds * inside.std()))
    ys, xs = np.nonzero(changed)
    if len(xs) < rule.min_changed_pixels:
        return None
    bounds = [rule.low_percentile, rule.high_percentile]
    left, right = np.percentile(xs, bounds)
    top, bottom = np.percentile(ys + rows.start, bounds)
    return _square(left, top, right + 1, bottom + 1, change.shape, rule)


def _square(left: float, top: float, right: float, bottom: float, shape: tuple[int, ...], rule: RegionRule) -> Region:
    """The box made square and roomier, shifted into the frame, as fractions of it."""
    height, width = shape
    side = max(max(right - left, bottom - top) * rule.scale, rule.min_side * height)
    across, down = min(side, width), min(side, height)
    start = min(max((left + right - across) / 2, 0.0), width - across)
    above = min(max((top + bottom - down) / 2, 0.0), height - down)
    return Region(float(start / width), float(above / height), float(across / width), float(down / height))


def _shared_with_neighbours(found: list[Region | None]) -> list[RegionChoice]:
    """A frame without a region takes that of the nearest frame with one (the earlier of two as near)."""
    having = [n for n, region in enumerate(found) if region is not None]
    choices = []
    for n, region in enumerate(found):
        if region is not None:
            choices.append(RegionChoice(region, "changed"))
        elif having:
            nearest = min(having, key=lambda other: abs(other - n))
            choices.append(RegionChoice(found[nearest], "neighbour"))
        else:
            choices.append(RegionChoice(None, "no-change"))
    return choices
