"""The crops of labelled pictures that are learnt from and scored: whole frames, and regions of bursts.

Decides how rows of a data set become model inputs. Regions come from the contract's function on the whole sequence, so
that training sees what the trap will see. Backgrounds of places count for scoring alone: a head learns from the same
crops with and without them.
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
    """A part of a picture; region None is the whole frame. Of the crops of a picture one is `scored`."""

    picture: LabelledPicture
    region: Region | None
    learnt: bool = True
    scored: bool = True


def burst_regions(
    seen: Thumbnails, boxes: Sequence[Region | None], rule: RegionRule, view: ExpectedView | None = None
) -> dict[int, tuple[Region | None, Region | None]]:
    """The region that is learnt from and the one that is scored, of each readable frame of a burst.

    Both are about the frame's box where it has one, else what moved; scored is what differs from the view of the place.
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
