"""Decides whether two files hold the same picture.

Files with different bytes are different pictures. A renamed or touched file is still the same picture. A copy is the
same picture if its EXIF has a time, because both then show one moment. Without a time, two pictures of an empty scene
may have equal bytes.
"""

import hashlib
from collections.abc import Collection
from datetime import tzinfo
from pathlib import Path

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import MAX_JPEG_BYTES
from uncia_edge.camera.cameras import read_frame
from uncia_edge.camera.seen_files import is_gone


def content_of(path: Path, size: int) -> str | None:
    """The sha256 of a file of `size` bytes; None if it is too large for a frame, gone, or unreadable."""
    try:
        return sha256_of(path) if size <= MAX_JPEG_BYTES else None
    except OSError:
        return None


def sha256_of(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        OSError: the file is gone or cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_same(path: Path, owners: Collection[Path], zone: tzinfo) -> bool:
    """Whether a file is the same picture as `owners`, files that have or had the same bytes."""
    if any(owner == path or is_gone(owner) for owner in owners):
        return True
    try:
        return bool(owners) and read_frame(path, zone).taken_at is not None
    except FrameError:
        return False
