"""Whether two files are one picture.

Decides by bytes. A file whose time or name changed is the picture that it was. A copy is the same picture where its
EXIF tells a time, so that both are of one moment; without one, equal pictures of an empty scene may be two.
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
    """The sha256 of a file of that size; None where it is too large for a frame, gone, or cannot be read."""
    try:
        return sha256_of(path) if size <= MAX_JPEG_BYTES else None
    except OSError:
        return None


def sha256_of(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        OSError: it is gone, or cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_same(path: Path, owners: Collection[Path], zone: tzinfo) -> bool:
    """Whether a file is the picture of these ones, whose bytes are or were equal."""
    if any(owner == path or is_gone(owner) for owner in owners):
        return True
    try:
        return bool(owners) and read_frame(path, zone).taken_at is not None
    except FrameError:
        return False
