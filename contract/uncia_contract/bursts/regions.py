"""Finds the region of each frame to score: the trap stands still, so what changes is the animal (DESIGN 3).

Decides which part of each frame is scored, and gives the reason in one word. It works on small grey thumbnails only;
`preprocessing` decodes and crops, and the trap stores the rolling background.
"""

import math
from collections.abc import Iterator, Sequence
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
    noise_threshold,
    patches,
)
from uncia_contract.bursts.scene_changes import (
    ReferenceFrame,
    camera_moved,
    light_or_scene_change,
    scene_change,
    scene_groups,
)
from uncia_contract.pictures.region import Region

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class RegionRule(msgspec.Struct, frozen=True):
    """How regions are found. It is part of the bundle's manifest, so that trap and training use the same rule.

    Attributes:
        thumbnail_width: the most pixels across of a thumbnail.
        min_change: a pixel has changed if it differs by more than so many grey levels (0 to 255), and
        sds: by more than the frame's mean change plus so many standard deviations, and
        noise_sds: by more than so many robust standard deviations of all changes.
        min_changed_pixels: with fewer changed pixels there is no change.
        doubt: so many times the spread of the other frames is subtracted from a change before patches are compared.
        min_share: the strongest patch is the animal if it has this share of all evidence; else the box holds all
            changes.
        upheaval: from this share of changed pixels on, the whole scene has changed.
        low_percentile, high_percentile: the changed pixels between these percentiles (0 to 100) are in the box.
        scale: the box is enlarged by this factor.
        min_side: the least side of a region, as a fraction of the frame's height.
        strip_top, strip_bottom: parts without a search (burnt-in strips), as fractions of the frame's height.
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
    """The part of a frame to score: a region or the whole frame (None), and the reason in one word.

    With a region: `changed` (something moved here), `neighbour` (no change in this frame; the region of the nearest
    frame with a change), `background` (nothing moved within the burst, but this part differs from the trap's
    background), `box` (a data set's box, never on the trap).
    Without a region: `no-change`; `single-frame` (nothing to compare with); `sizes-differ` (frames of different
    shapes); `camera-moved`, `light-changed`, `whole-scene` (this frame cannot be compared with the others);
    `scattered` (changes all over the frame: snowfall, wind).
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
    """The part to score of each frame of a burst, in the frames' order.

    Args:
        thumbnails: grey uint8 (height, width) each, from `thumbnail`.
        rule: the bundle's rule.
        background: the trap's rolling background of the same light (`backgrounds`), used for bursts of one or two
            frames and for animals that do not move. One of another shape is ignored.
        strips: burnt-in strips at top and bottom that are not searched, as fractions of the height; None for the
            rule's.
    """
    if len({frame.shape for frame in thumbnails}) > 1:
        return [RegionChoice(None, "sizes-differ")] * len(thumbnails)
    if not thumbnails:
        return []
    top, bottom = strips if strips is not None else (rule.strip_top, rule.strip_bottom)
    area = SearchArea(rule, thumbnails[0].shape, top, bottom)
    known = flattened(background[area.rows]) if background is not None and background.shape == area.shape else None
    if len(thumbnails) == 1 and known is None:
        return [RegionChoice(None, "single-frame")]
    frames = [flattened(thumbnail[area.rows]) for thumbnail in thumbnails]
    choices = dict(_by_scene(frames, known, area))
    return _shared_with_neighbours([choices[n] for n in range(len(frames))])


class SearchArea:
    """The rows of a burst's thumbnails that are searched for changes, and the rule."""

    def __init__(self, rule: RegionRule, shape: tuple[int, ...], top: float, bottom: float) -> None:
        self.rule = rule
        self.shape = shape
        first, end = round(shape[0] * top), shape[0] - round(shape[0] * bottom)
        self.rows = slice(first, end) if first < end else slice(0, shape[0])


def _by_scene(
    frames: Sequence[Frame], background: Frame | None, area: SearchArea
) -> Iterator[tuple[int, RegionChoice]]:
    """A choice for each frame. Groups of three or more frames and a majority are searched; others are scored whole."""
    groups = scene_groups(frames)
    reference: ReferenceFrame | None = None
    for rank, group in enumerate(groups):
        if len(group) >= 3 or (rank == 0 and len(group) * 2 > len(frames)):
            alike = evenly_exposed([frames[n] for n in group])
            yield from zip(group, _in_one_scene(alike, background, area), strict=True)
        else:
            reference = reference or ReferenceFrame(median_frame([frames[n] for n in groups[0]]))
            for n in group:
                yield n, RegionChoice(None, scene_change(frames[n][:], reference))


def _in_one_scene(frames: Sequence[Frame], background: Frame | None, area: SearchArea) -> list[RegionChoice]:
    """Choices for frames of one scene. If nothing moved, the frames are compared with the trap's background."""
    if background is not None and scene_groups([background, frames[0]]) != [[0, 1]]:
        background = None
    references = _references(frames, background)
    if references is None:
        return [RegionChoice(None, "single-frame")] * len(frames)
    choices = _compare(frames, references, area)
    if background is None or len(frames) < 3 or any(choice.reason != "no-change" for choice in choices):
        return choices
    against = _compare(frames, [ReferenceFrame(background[:])] * len(frames), area)
    return [RegionChoice(c.region, "background" if c.region else "no-change") for c in against]


def _references(frames: Sequence[Frame], background: Frame | None) -> list[ReferenceFrame] | None:
    """Each frame's reference: the burst's median, the trap's background, the other frame; None for a lone frame."""
    if len(frames) >= 3:
        return [ReferenceFrame(median_frame(frames))] * len(frames)
    if background is not None:
        return [ReferenceFrame(background[:])] * len(frames)
    return [ReferenceFrame(frames[1][:]), ReferenceFrame(frames[0][:])] if len(frames) == 2 else None


def _compare(frames: Sequence[Frame], references: Sequence[ReferenceFrame], area: SearchArea) -> list[RegionChoice]:
    """Choices for frames, each compared with its reference."""
    compared = Compared(frames, [reference.frame for reference in references])
    return [_choice(compared, n, reference, area) for n, reference in enumerate(references)]


def _choice(compared: Compared, n: int, reference: ReferenceFrame, area: SearchArea) -> RegionChoice:
    """The choice for one frame, by its difference from the reference."""
    rule, change = area.rule, compared.change(n)
    wide = np.count_nonzero(change > 1.5 * rule.min_change) / change.size
    if wide > rule.upheaval / 4 and camera_moved(compared.frame(n), reference):
        return RegionChoice(None, "camera-moved")
    if wide > rule.upheaval:
        return RegionChoice(None, light_or_scene_change(compared.frame(n), reference))
    changed = change > noise_threshold(change, rule.min_change, rule.sds, rule.noise_sds)
    if np.count_nonzero(changed) < rule.min_changed_pixels:
        return RegionChoice(None, "no-change")
    found = patches(changed, compared.evidence(n, rule.doubt))
    if found.share < rule.min_share:
        region = _box(changed, area)
        scattered = region.height > 0.8
        return RegionChoice(None if scattered else region, "scattered" if scattered else "changed")
    if found.pixels[found.strongest] < rule.min_changed_pixels:
        return RegionChoice(None, "no-change")
    return RegionChoice(_box(changed & animal(found, changed.shape), area), "changed")


def _box(changed: Mask, area: SearchArea) -> Region:
    """The square around the changed pixels, without outliers."""
    bounds = (area.rule.low_percentile, area.rule.high_percentile)
    columns, rows = (changed.view(np.uint8).sum(axis, dtype=np.uint16) for axis in (0, 1))
    left, right = (_percentile(columns, bound) for bound in bounds)
    top, bottom = (_percentile(rows, bound, area.rows.start) for bound in bounds)
    return _square(left, top, right + 1, bottom + 1, area.shape, area.rule)


def _percentile(counts: NDArray[np.uint16], bound: float, first: int = 0) -> float:
    """`np.percentile` of whole numbers, given as counts: `counts[n]` numbers are equal to `first + n`."""
    place = bound / 100 * (int(counts.sum()) - 1)
    ranks = (math.floor(place), math.ceil(place))
    below, above = (first + int(n) for n in np.searchsorted(counts.cumsum(), ranks, "right"))
    part = place - ranks[0]
    return below + (above - below) * part if part < 0.5 else above - (above - below) * (1 - part)


def region_about(box: Region, size: tuple[int, int], rule: RegionRule) -> RegionChoice:
    """The part to score where a person or a detector gave a box: the box made square and larger.

    Args:
        box: the box around the animal.
        size: (width, height) of the frame, or of its thumbnail.
        rule: the bundle's rule.
    """
    width, height = size
    right, bottom = (box.left + box.width) * width, (box.top + box.height) * height
    return RegionChoice(_square(box.left * width, box.top * height, right, bottom, (height, width), rule), "box")


def _square(left: float, top: float, right: float, bottom: float, shape: tuple[int, ...], rule: RegionRule) -> Region:
    """The box made square and larger, shifted into the frame, as fractions of the frame."""
    height, width = shape
    side = max(max(right - left, bottom - top) * rule.scale, rule.min_side * height)
    across, down = min(side, width), min(side, height)
    start = min(max((left + right - across) / 2, 0.0), width - across)
    above = min(max((top + bottom - down) / 2, 0.0), height - down)
    return Region(float(start / width), float(above / height), float(across / width), float(down / height))


def _shared_with_neighbours(choices: Sequence[RegionChoice]) -> list[RegionChoice]:
    """The choices, where frames without a change take the region of the nearest frame with one (the earlier of two)."""
    having = [n for n, choice in enumerate(choices) if choice.region is not None]
    shared = list(choices)
    for n, choice in enumerate(choices):
        if choice.reason == "no-change" and having:
            nearest = min(having, key=lambda other: abs(other - n))
            shared[n] = RegionChoice(choices[nearest].region, "neighbour")
    return shared
