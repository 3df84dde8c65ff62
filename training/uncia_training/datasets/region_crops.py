"""The crops of labelled pictures, for training and for scoring: whole frames, and regions of bursts.

Regions come from the contract's function on the whole sequence, so that training uses the same regions as the trap.
Backgrounds of places are used only for scoring: the crops for training are the same with and without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from uncia_contract.bursts.regions import RegionRule, region_about, regions
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.scoring.burst_decoder import Thumbnails
from uncia_contract.scoring.score_burst import ExpectedView, expected_view


@dataclass(frozen=True)
class Crop:
    """A part of a picture; region None means the whole frame. Exactly one crop of a picture is `scored`."""

    picture: LabelledPicture
    region: Region | None
    learnt: bool = True
    scored: bool = True


def burst_regions(
    seen: Thumbnails, boxes: Sequence[Region | None], rule: RegionRule, view: ExpectedView | None = None
) -> dict[int, tuple[Region | None, Region | None]]:
    """For each readable frame of a burst, by index: the region for training, and the region for scoring.

    Both are around the frame's box if it has one. Otherwise they are where something changed; the region for scoring
    also uses the view of the place.
    """
    small = list(seen.grey.values())
    learnt = scored = regions(small, rule) if small else []
    if view is not None and small:
        scored = regions(small, rule, expected_view(seen, view)[0])
    found = {}
    for index, choice, compared in zip(seen.grey, learnt, scored, strict=True):
        box = boxes[index]
        given = None if box is None else region_about(box, seen.grey[index].shape[::-1], rule)
        found[index] = ((given or choice).region, (given or compared).region)
    return found
