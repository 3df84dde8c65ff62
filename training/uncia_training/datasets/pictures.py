"""Reads pictures of a data set as bytes, and describes those that cannot be used."""

from collections.abc import Sequence
from dataclasses import dataclass

from uncia_contract.errors import DataError
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture


@dataclass(frozen=True)
class PictureFailure:
    """A picture that could not be used; `file` is the data set's name of it."""

    file: str
    reason: str


def boxes_of(burst: Sequence[LabelledPicture]) -> dict[int, Region]:
    """The boxes of a burst's frames, by index; frames without a box are left out."""
    return {index: picture.box for index, picture in enumerate(burst) if picture.box is not None}


def require_readable(readable: int, failures: Sequence[PictureFailure]) -> None:
    """Check that at least one picture can be read.

    Raises:
        DataError: none can; the message names the first.
    """
    if not readable:
        first = f"; the first: {failures[0].file}: {failures[0].reason}" if failures else ""
        raise DataError(f"none of {len(failures)} pictures can be read{first}")


def read_picture(picture: LabelledPicture) -> bytes:
    """The picture as a JPEG.

    Raises:
        FrameError: the file cannot be read, or has another format.
    """
    return read_as_jpeg(picture.path)
