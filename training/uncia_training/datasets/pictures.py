"""Pictures of a data set as bytes, and those that cannot be used."""

from dataclasses import dataclass

from uncia_contract.errors import FrameError
from uncia_contract.runs.labels import LabelledPicture


@dataclass(frozen=True)
class PictureFailure:
    """A picture that could not be used, `file` as the data set calls it."""

    file: str
    reason: str


def read_picture(picture: LabelledPicture) -> bytes:
    """The picture's bytes.

    Raises:
        FrameError: the file cannot be read.
    """
    try:
        return picture.path.read_bytes()
    except OSError as error:
        raise FrameError(f"cannot be read: {error.strerror}") from error
