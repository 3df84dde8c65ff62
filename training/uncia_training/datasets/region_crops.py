"""The crops of labelled pictures that are learnt from and scored: whole frames, and regions of bursts.

Decides how rows of a data set become model inputs. Regions come from the contract's function on the whole sequence, so
that training sees what the trap will see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from uncia_contract.bursts.regions import RegionRule, region_about, regions
from uncia_contract.errors import FrameError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import picture_thumbnail
from uncia_training.datasets.pictures import PictureFailure, read_picture
from uncia_training.parallel import parallel_map


@dataclass(frozen=True)
class Crop:
    """A part of a picture; region None is the whole frame."""

    picture: LabelledPicture
    region: Region | None


def crops_of(pictures: Sequence[LabelledPicture], rule: RegionRule, workers: int) -> Iterator[Crop | PictureFailure]:
    """The crops, sequence by sequence; a frame with a region gives two, the whole frame and the region."""
    return chain.from_iterable(parallel_map(lambda burst: _crops_of_burst(burst, rule), sequences(pictures), workers))


def _crops_of_burst(burst: Sequence[LabelledPicture], rule: RegionRule) -> list[Crop | PictureFailure]:
    found: list[Crop | PictureFailure] = []
    thumbnails = {}
    for index, picture in enumerate(burst):
        try:
            thumbnails[index] = picture_thumbnail(read_picture(picture), rule)
        except FrameError as error:
            found.append(PictureFailure(picture.file, str(error)))
    choices = regions(list(thumbnails.values()), rule) if len(thumbnails) > 1 else [None] * len(thumbnails)
    found += [Crop(burst[index], None) for index in thumbnails]
    for index, choice in zip(thumbnails, choices, strict=True):
        box = burst[index].box
        given = choice if box is None else region_about(box, thumbnails[index].shape[::-1], rule)
        if given is not None and given.region is not None:
            found.append(Crop(burst[index], given.region))
    return found
