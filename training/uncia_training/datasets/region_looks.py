"""Which part of each labelled picture is looked at: bursts on their regions, stills as a whole.

Decides how rows of a data set become model inputs. Regions come from the contract's function on the whole sequence, so
that training sees what the trap will see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from uncia_contract.bursts.regions import RegionRule, regions
from uncia_contract.errors import FrameError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import picture_thumbnail
from uncia_training.parallel import parallel_map


@dataclass(frozen=True)
class Look:
    """One picture and the part of it that is scored; None is the whole frame."""

    picture: LabelledPicture
    region: Region | None


@dataclass(frozen=True)
class PictureFailure:
    """A picture that could not be used, `file` as the data set calls it."""

    file: str
    reason: str


def looks(pictures: Sequence[LabelledPicture], rule: RegionRule, workers: int) -> Iterator[Look | PictureFailure]:
    """What to look at, sequence by sequence; a frame with a region is looked at twice, with and without it."""
    return chain.from_iterable(parallel_map(lambda burst: _looks_of(burst, rule), sequences(pictures), workers))


def _looks_of(burst: Sequence[LabelledPicture], rule: RegionRule) -> list[Look | PictureFailure]:
    found: list[Look | PictureFailure] = []
    thumbnails = {}
    for index, picture in enumerate(burst):
        try:
            thumbnails[index] = picture_thumbnail(read_picture(picture), rule)
        except FrameError as error:
            found.append(PictureFailure(picture.file, str(error)))
    choices = regions(list(thumbnails.values()), rule) if len(thumbnails) > 1 else []
    found += [Look(burst[index], None) for index in thumbnails]
    found += [
        Look(burst[index], choice.region)
        for index, choice in zip(thumbnails, choices, strict=False)
        if choice.region is not None
    ]
    return found


def read_picture(picture: LabelledPicture) -> bytes:
    """The picture's bytes.

    Raises:
        FrameError: the file cannot be read.
    """
    try:
        return picture.path.read_bytes()
    except OSError as error:
        raise FrameError(f"cannot be read: {error.strerror}") from error
