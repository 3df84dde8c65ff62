"""The burst finds its own animal: a trap stands still, so what changes within a burst is the animal (DESIGN 3).

Decides which part of each frame is scored, and says why in one word where it is the whole frame. Works on small grey
thumbnails only; decoding and cropping belong to `preprocessing`, keeping the rolling background to the trap.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.bursts.frame_differences import (
    Compared,
    Flat,
    Frame,
    Grey,
    Mask,
    animal,
    evenly_exposed,
    flattened,
    median_frame,
    middle,
    patches,
)
from uncia_contract.bursts.scene_changes import Usual, moved, views, why_changed, why_unlike
from uncia_contract.pictures.region import Region

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class RegionRule(msgspec.Struct, frozen=True):
    """How regions are found; travels in the bundle's manifest, so that trap and training agree.

    A pixel has changed where it differs by more than `min_change` grey levels (0 to 255), more than the frame's mean
    change + `sds` standard deviations, and more than `noise_sds` robust standard deviations of all changes. `doubt`
    times the disagreement of the other frames is taken off a change before patches are compared; the strongest patch is
    the animal if it has `min_share` of all, else the box of all changes is taken. `upheaval` is the share of changed
    pixels from which the whole scene has changed. `thumbnail_width` in pixels, percentiles in 0 to 100; `min_side`,
    `strip_top` and `strip_bottom` are fractions of the frame's height.
    """

    thumbnail_width: Annotated[int, Meta(ge=16, le=1024)] = 256
    min_change: Annotated[float, Meta(ge=0.0, le=255.0)] = 8.0
    sds: Annotated[float, Meta(ge=0.0)] = 3.0
    noise_sds: Annotated[float, Meta(ge=0.0)] = 5.0
    min_changed_pixels: Annotated[int, Meta(ge=1)] = 30
    doubt: Annotated[float, Meta(ge=0.0)] = 2.0
    min_share: Annotated[float, Meta(ge=0.0)] = 0.4
    upheaval: Fraction = 0.55
    low_percentile: Annotated[float, Meta(ge=0.0, le=100.0)] = 3.0
    high_percentile: Annotated[float, Meta(ge=0.0, le=100.0)] = 97.0
    scale: Annotated[float, Meta(ge=1.0)] = 1.3
    min_side: Fraction = 0.2
    strip_top: Fraction = 0.05
    strip_bottom: Fraction = 0.08


class RegionChoice(msgspec.Struct, frozen=True):
    """What to score of one frame: a region, or the whole frame (None), and the reason in one machine word.

    With a region: `changed` (something moved here), `neighbour` (this frame showed nothing, its nearest neighbour did),
    `background` (nothing moved within the burst, but something is here that the trap's background has not).
    Without: `no-change`; `single-frame` (nothing to compare with); `sizes-differ` (frames of unequal shape);
    `camera-moved`, `light-changed`, `whole-scene` (this frame cannot be compared with the others); `scattered`
    (changes all over the frame: snowfall, wind).
    """

    region: Region | None
    reason: str


def thumbnail(image: Image.Image, rule: RegionRule) -> Grey:
    """A grey thumbnail of an oriented RGB or L picture: uint8 (height, width), at most `rule.thumbnail_width` wide."""
    width = min(rule.thumbnail_width, image.width)
    height = max(1, round(image.height * width / image.width))
    return np.asarray(
        image.convert("L").resize((width, height), Image.Resampling.BOX, reducing_gap=2.0), dtype=np.uint8
    )


def regions(
    thumbnails: Sequence[Grey],
    rule: RegionRule,
    background: Grey | Flat | None = None,
    strips: tuple[float, float] | None = None,
) -> list[RegionChoice]:
    """What to score of each frame of a burst: one choice a frame, in the same order. See `regions_as_found`."""
    found = dict(regions_as_found(thumbnails, rule, background, strips))
    return [found[n] for n in range(len(thumbnails))]


def regions_as_found(
    thumbnails: Sequence[Grey],
    rule: RegionRule,
    background: Grey | Flat | None = None,
    strips: tuple[float, float] | None = None,
) -> Iterator[tuple[int, RegionChoice]]:
    """What to score of each frame of a burst, by its place in the burst: each as soon as it is certain.

    Args:
        thumbnails: grey uint8 (height, width) each, as `thumbnail` gives them.
        rule: the bundle's rule.
        background: the trap's rolling background of the same light (`backgrounds`); used for bursts of one or two
            frames and for animals that never move. One of another shape is left aside.
        strips: fractions of the height at top and bottom in which nothing is looked for (burnt-in info strips);
            the rule's where None.
    """
    if len({frame.shape for frame in thumbnails}) > 1:
        yield from enumerate([RegionChoice(None, "sizes-differ")] * len(thumbnails))
        return
    if not thumbnails:
        return
    top, bottom = strips if strips is not None else (rule.strip_top, rule.strip_bottom)
    look = _Look(rule, thumbnails[0].shape, top, bottom)
    known = look.at(background) if background is not None and background.shape == look.shape else None
    if len(thumbnails) == 1 and known is None:
        yield 0, RegionChoice(None, "single-frame")
        return
    found: dict[int, RegionChoice] = {}
    frames = [look.at(thumbnail) for thumbnail in thumbnails]
    del thumbnails
    for n, choice in _by_view(frames, known, look):
        found[n] = choice
        if choice.reason != "no-change":
            yield n, choice
    yield from _shared_with_neighbours(found)


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


class _Look:
    """Where to look in the thumbnails of one burst, and by which rule."""

    def __init__(self, rule: RegionRule, shape: tuple[int, ...], top: float, bottom: float) -> None:
        self.rule = rule
        self.shape = shape
        first, end = round(shape[0] * top), shape[0] - round(shape[0] * bottom)
        self.rows = slice(first, end) if first < end else slice(0, shape[0])

    def at(self, thumbnail: Grey | Flat) -> Frame:
        """The part between the strips, flat."""
        return flattened(thumbnail[self.rows])


def _by_view(frames: Sequence[Frame], known: Frame | None, look: _Look) -> Iterator[tuple[int, RegionChoice]]:
    """A choice a frame: views of three frames, and the largest of all, are looked at apart; the others are not."""
    every = views(frames)
    usual: Usual | None = None
    for rank, view in enumerate(every):
        if len(view) >= 3 or (rank == 0 and len(view) * 2 > len(frames)):
            alike = evenly_exposed([frames[n] for n in view])
            yield from ((view[n], choice) for n, choice in _in_one_view(alike, known, look))
        else:
            usual = usual or Usual(median_frame([frames[n] for n in every[0]]))
            for n in view:
                yield n, RegionChoice(None, why_unlike(frames[n][:], usual))


def _in_one_view(frames: Sequence[Frame], known: Frame | None, look: _Look) -> Iterator[tuple[int, RegionChoice]]:
    """Choices for frames of one view; where nothing moved at all, what the known background has not."""
    if known is not None and views([known, frames[0]]) != [[0, 1]]:
        known = None
    back = _behind(frames, known)
    if back is None:
        yield from enumerate([RegionChoice(None, "single-frame")] * len(frames))
        return
    still = []
    for n, choice in enumerate(_against(frames, back, look)):
        if choice.reason == "no-change":
            still.append(n)
        else:
            yield n, choice
    resting = [RegionChoice(None, "no-change")] * len(frames)
    if known is not None and len(frames) == len(still) >= 3:
        against = _against(frames, [Usual(known[:])] * len(frames), look)
        resting = [RegionChoice(c.region, "background" if c.region else "no-change") for c in against]
    yield from ((n, resting[n]) for n in still)


def _behind(frames: Sequence[Frame], background: Frame | None) -> list[Usual] | None:
    """What each frame is compared with: the burst's median, the rolling background, the other frame, or nothing."""
    if len(frames) >= 3:
        return [Usual(median_frame(frames))] * len(frames)
    if background is not None:
        return [Usual(background[:])] * len(frames)
    return [Usual(frames[1][:]), Usual(frames[0][:])] if len(frames) == 2 else None


def _against(frames: Sequence[Frame], back: list[Usual], look: _Look) -> Iterator[RegionChoice]:
    """Choices for frames, each compared with what is behind it."""
    compared = Compared(frames, [usual.frame for usual in back])
    for n in range(len(frames)):
        proof = partial(compared.evidence, n, look.rule.doubt)
        yield _choice(compared.frame(n), back[n], compared.change(n), proof, look)


def _choice(frame: Flat, back: Usual, change: Flat, proof: Callable[[], Flat], look: _Look) -> RegionChoice:
    """The choice for one frame, seen against what is behind it."""
    rule = look.rule
    wide = np.count_nonzero(change > 1.5 * rule.min_change) / change.size
    if wide > rule.upheaval / 4 and moved(frame, back):
        return RegionChoice(None, "camera-moved")
    if wide > rule.upheaval:
        return RegionChoice(None, why_changed(frame, back))
    changed = change > _threshold(change, rule)
    if np.count_nonzero(changed) < rule.min_changed_pixels:
        return RegionChoice(None, "no-change")
    found = patches(changed, proof())
    if found.share < rule.min_share:
        region = _box(changed, look)
        scattered = region.height > 0.8
        return RegionChoice(None if scattered else region, "scattered" if scattered else "changed")
    if found.pixels[found.strongest] < rule.min_changed_pixels:
        return RegionChoice(None, "no-change")
    return RegionChoice(_box(changed & animal(found, changed.shape), look), "changed")


def _threshold(change: Flat, rule: RegionRule) -> float:
    """The change in grey levels that is more than this frame's noise."""
    least = max(rule.min_change, float(change.mean() + rule.sds * change.std()))
    noise, some = rule.noise_sds * 1.4826, change[::2, ::2]
    if np.count_nonzero(some * noise < least) * 2 > some.size:
        return least  # their median is below it, and need not be known
    return max(least, noise * float(middle(some)))


def _box(changed: Mask, look: _Look) -> Region:
    """The square about the changed pixels, their outliers left out."""
    bounds = (look.rule.low_percentile, look.rule.high_percentile)
    columns, rows = (changed.view(np.uint8).sum(axis, dtype=np.uint16) for axis in (0, 1))
    left, right = (_percentile(columns, bound) for bound in bounds)
    top, bottom = (_percentile(rows, bound, look.rows.start) for bound in bounds)
    return _square(left, top, right + 1, bottom + 1, look.shape, look.rule)


def _percentile(counts: NDArray[np.uint16], bound: float, first: int = 0) -> float:
    """What `np.percentile` says of as many numbers as are counted, the least of which is `first`, then the next ..."""
    place = bound / 100 * (int(counts.sum()) - 1)
    ranks = (math.floor(place), math.ceil(place))
    below, above = (first + int(n) for n in np.searchsorted(counts.cumsum(), ranks, "right"))
    part = place - ranks[0]
    return below + (above - below) * part if part < 0.5 else above - (above - below) * (1 - part)


def _square(left: float, top: float, right: float, bottom: float, shape: tuple[int, ...], rule: RegionRule) -> Region:
    """The box made square and roomier, shifted into the frame, as fractions of it."""
    height, width = shape
    side = max(max(right - left, bottom - top) * rule.scale, rule.min_side * height)
    across, down = min(side, width), min(side, height)
    start = min(max((left + right - across) / 2, 0.0), width - across)
    above = min(max((top + bottom - down) / 2, 0.0), height - down)
    return Region(float(start / width), float(above / height), float(across / width), float(down / height))


def _shared_with_neighbours(choices: dict[int, RegionChoice]) -> Iterator[tuple[int, RegionChoice]]:
    """A frame that shows no change takes the region of the nearest that does (the earlier of two as near)."""
    having = sorted(n for n, choice in choices.items() if choice.region is not None)
    for n, choice in choices.items():
        if choice.reason == "no-change":
            nearest = min(having, key=lambda other: abs(other - n), default=n)
            yield n, RegionChoice(choices[nearest].region, "neighbour") if having else choice
