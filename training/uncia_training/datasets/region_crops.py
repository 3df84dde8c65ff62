"""The crops of labelled pictures that are learnt from and scored: whole frames, and regions of bursts.

Decides how rows of a data set become model inputs. Regions come from the contract's function on the whole sequence, so
that training sees what the trap will see. Backgrounds of places count for scoring alone: a head learns from the same
crops with and without them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from uncia_contract.bursts.regions import RegionRule, region_about, regions
from uncia_contract.errors import FrameError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import Thumbnails, small_pictures
from uncia_contract.scoring.score_burst import ExpectedView, expected_view
from uncia_training.datasets.pictures import PictureFailure, read_picture
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.parallel import parallel_map


@dataclass(frozen=True)
class Crop:
    """A part of a picture; region None is the whole frame. Of the crops of a picture one is `scored`."""

    picture: LabelledPicture
    region: Region | None
    learnt: bool = True
    scored: bool = True


def crops_of(
    pictures: Sequence[LabelledPicture], rule: RegionRule, workers: int, views: PlaceViews | None = None
) -> Iterator[Crop | PictureFailure]:
    """The crops, sequence by sequence; a frame with a region gives two, the whole frame and the region.

    Args:
        pictures: of the data set.
        rule: of regions.
        workers: threads.
        views: of the pictures' places, for scoring; None where single pictures are scored whole.
    """

    def work(burst: Sequence[LabelledPicture]) -> list[Crop | PictureFailure]:
        return _crops_of_burst(burst, rule, views.of(burst) if views else None)

    return chain.from_iterable(parallel_map(work, sequences(pictures), workers))


def _crops_of_burst(
    burst: Sequence[LabelledPicture], rule: RegionRule, view: ExpectedView | None
) -> list[Crop | PictureFailure]:
    found: list[Crop | PictureFailure] = []
    seen = Thumbnails()
    for index, picture in enumerate(burst):
        try:
            seen.grey[index], seen.colour[index] = small_pictures(read_picture(picture), rule)
        except FrameError as error:
            found.append(PictureFailure(picture.file, str(error)))
    learnt = scored = regions(list(seen.grey.values()), rule)
    if view is not None and seen.grey:
        scored = regions(list(seen.grey.values()), rule, expected_view(seen, view)[0])
    whole, parts = [], list[Crop]()
    for index, choice, compared in zip(seen.grey, learnt, scored, strict=True):
        box = burst[index].box
        given = None if box is None else region_about(box, seen.grey[index].shape[::-1], rule)
        one, other = (given or choice).region, (given or compared).region
        whole.append(Crop(burst[index], None, scored=other is None))
        regional = dict.fromkeys(region for region in (one, other) if region is not None)
        parts += [Crop(burst[index], region, region == one, region == other) for region in regional]
    return [*found, *whole, *parts]
