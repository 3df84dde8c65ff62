"""The thumbnail in a record: the page shows it before the first original has arrived over a slow link.

Decides size and quality. The originals stay as recorded. `delivery` leaves the thumbnail out when the link is too slow
for it.
"""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
from PIL import Image

from uncia_contract.errors import FrameError
from uncia_contract.messages.records import Preview, SequenceRecord, best_frame
from uncia_contract.pictures.jpeg import open_jpeg, oriented_size

_log = logging.getLogger(__name__)

_QUALITIES = (70, 50, 30)
_MOST_BYTES = 10 * 1024  # with the entries of thirty frames, it fits into one chunk of 16 KiB


def with_preview(record: SequenceRecord, files: Sequence[Path], side_px: int) -> SequenceRecord:
    """The record with a thumbnail of its best frame, unless `side_px` is 0; `files` are its frames' files, in order."""
    if not side_px:
        return record
    best = best_frame(record)
    return msgspec.structs.replace(record, preview=make_preview(best, files[best], side_px))


def make_preview(n: int, path: Path, side_px: int) -> Preview | None:
    """An upright JPEG of frame `n`, its longer side at most `side_px`, at most 10 KiB; None if it cannot be made."""
    try:
        with path.open("rb") as picture:
            width, height = oriented_size(picture)
            scale = min(1.0, side_px / max(width, height))
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = open_jpeg(picture, size).resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    except (FrameError, OSError) as error:
        _log.warning("no thumbnail of %s: %s", path.name, error)
        return None
    encoded = next((jpeg for quality in _QUALITIES if len(jpeg := _encoded(small, quality)) <= _MOST_BYTES), None)
    return None if encoded is None else Preview(n, *size, encoded)


def _encoded(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()
