"""Names of picture files: which files are called like pictures, and how a name is written into tables and logs.

Whether a file holds a picture is for its bytes to say (`jpeg`).
"""

from pathlib import Path, PurePosixPath

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
# What cameras and people call pictures.
PICTURE_SUFFIXES = JPEG_SUFFIXES | {".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


def is_picture(name: str | Path) -> bool:
    """Whether a file is called like a picture; hidden files (a Mac's `._IMG.JPG`) are not."""
    path = PurePosixPath(name)
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def printable(name: str) -> str:
    """A file's name as text for tables and logs: bytes that are no UTF-8, as on old cards, become `\\xff`."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
