"""Labelled pictures from a folder for each label.

Decides that the first folder below names the label, and that files are named relative to the data set.
"""

from pathlib import Path

from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import JPEG_SUFFIXES, folders_below, is_picture
from uncia_contract.runs.labels import LabelledPicture


def read_folders(data: Path) -> list[LabelledPicture]:
    """The pictures below a folder, sorted by name.

    Raises:
        DataError: there are none, or a folder cannot be listed.
    """
    found = [
        LabelledPicture(path.relative_to(data).as_posix(), path, path.relative_to(data).parts[0])
        for path in sorted(
            path for folder in folders_below(data, _refuse) if folder != data for path in folder.iterdir()
        )
        if is_picture(path) and path.suffix.lower() in JPEG_SUFFIXES and path.is_file()
    ]
    if not found:
        raise DataError(f"{data}: no pictures; expected a folder for each label with JPEGs in it, or a CSV")
    return found


def _refuse(folder: Path, error: OSError) -> None:
    raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
