"""Names of picture files: which files are called like pictures, which folders hold none of a visit, and how a name is
written into tables and logs.

Whether a file holds a picture is for its bytes to say (`jpeg`).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
# What cameras and people call pictures.
PICTURE_SUFFIXES = JPEG_SUFFIXES | {".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
# Deleted pictures and thumbnails, as systems, storage boxes and photo programs keep them.
_SKIPPED_FOLDERS = frozenset(
    {"$recycle.bin", "recycler", "system volume information", "@eadir", "#recycle", "@recycle", "@recently-snapshot"}
)


def is_picture(name: str | Path) -> bool:
    """Whether a file is called like a picture; hidden files (a Mac's `._IMG.JPG`) are not."""
    path = PurePosixPath(name)
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def is_skipped_folder(name: str) -> bool:
    """Whether a folder of this name is never entered: a hidden one, or one of deleted pictures or thumbnails."""
    return name.startswith(".") or name.lower() in _SKIPPED_FOLDERS


def is_in_skipped_folder(name: str | Path) -> bool:
    """Whether a folder that is never entered lies above a file; `name` is relative to the folder that was asked for."""
    return any(map(is_skipped_folder, PurePosixPath(name).parts[:-1]))


def folders_below(folder: Path, failed: Callable[[Path, OSError], None] = lambda folder, error: None) -> Iterator[Path]:
    """The folder itself, whatever its name, and those below it that are entered; links to folders are not followed.

    `failed` is told of each that cannot be listed; it is left out.
    """
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            failed(here, error)
            continue
        yield here
        waiting += [here / name for name in names if not is_skipped_folder(name)]


def printable(name: str) -> str:
    """A file's name as text for tables and logs: bytes that are no UTF-8, as on old cards, become `\\xff`."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
