"""Reads pictures of data sets as JPEGs: PNG, TIFF and WebP are re-encoded, so that all other code reads one format.

The format is recognised by the file's first bytes, not by its name. A picture is turned upright, only its first frame
is used, and 16-bit grey is cut to 8 bits; JPEG quality is 100 without chroma subsampling. GIF, BMP, HEIC, raw pictures
and videos are refused. The trap reads JPEGs only and never imports this module.
"""

import io
from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from uncia_contract.errors import FrameError
from uncia_contract.pictures.exif import Taken, taken
from uncia_contract.pictures.jpeg import MAX_PIXELS, PILLOW_ERRORS, jpeg_taken, picture_bytes, undecodable

FORMATS = ("PNG", "TIFF", "WEBP")
MEDIA_TYPES = frozenset({"image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/tiff", "image/webp"})
EXPECTED = "expected JPEG, PNG, TIFF or WebP"
_START_BYTES = 32
_DNG_VERSION, _REDUCED = 0xC612, 1  # a tag; the bit of NewSubfileType that a thumbnail has
_BEGINNINGS = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"IIRO", "raw picture"),
    (b"IIU\0", "raw picture"),
    (b"FUJIFILMCCD-RAW", "raw picture"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"\0\0\1\xba", "video"),
    (b"\0\0\1\xb3", "video"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_VIDEO_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide")


def read_as_jpeg(path: Path) -> bytes:
    """A picture's bytes as a JPEG: a JPEG unchanged, a PNG, TIFF or WebP re-encoded.

    Raises:
        FrameError: it cannot be read, or has another format, which the message names.
    """
    return opened_as_jpeg(lambda: path.open("rb"))


def opened_as_jpeg(opened: Callable[[], BinaryIO]) -> bytes:
    """`read_as_jpeg` for a file that the function `opened` opens."""
    data = picture_bytes(lambda: _checked(opened()))
    return _encoded(data) if _is_other_readable(data[:_START_BYTES]) else data


def picture_taken(path: Path, zone: tzinfo | None = UTC) -> Taken:
    """When and by which camera a picture was taken, from its EXIF; an empty `Taken` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            if not _is_other_readable(stream.read(_START_BYTES)):
                return jpeg_taken(stream, zone)
            with Image.open(stream, formats=FORMATS) as image:
                return taken(image.getexif(), zone)
    except PILLOW_ERRORS:
        return Taken()


def _checked(stream: BinaryIO) -> BinaryIO:
    """The stream, at its start; FrameError if the format is one that is refused."""
    other = _refused(stream.read(_START_BYTES))
    if other:
        stream.close()
        raise FrameError(f"a {other}: {EXPECTED}")
    stream.seek(0)
    return stream


def _refused(start: bytes) -> str:
    """The name of a known format that is not read, or ""."""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "HEIC or AVIF"
    if start[4:8] == b"ftyp" and start[8:12] == b"crx ":
        return "raw picture"
    if start[4:8] in _VIDEO_ATOMS or (start.startswith(b"RIFF") and start[8:12] == b"AVI "):
        return "video"
    if _is_tiff(start) and start[8:10] == b"CR":
        return "raw picture"
    return next((name for begin, name in _BEGINNINGS if start.startswith(begin)), "")


def _is_tiff(start: bytes) -> bool:
    return start.startswith((b"II*\0", b"MM\0*"))


def _is_other_readable(start: bytes) -> bool:
    return (
        _is_tiff(start) or start.startswith(b"\x89PNG\r\n\x1a\n") or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
    )


def _encoded(data: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FrameError(f"{image.width} x {image.height} pixels: expected 1 to {MAX_PIXELS} in all")
            if image.format == "TIFF" and _is_raw(image):
                raise FrameError(f"a raw picture: {EXPECTED}")
            image.load()
            jpeg = io.BytesIO()
            _in_eight_bits(ImageOps.exif_transpose(image)).save(jpeg, "JPEG", quality=100, subsampling=0)
            return jpeg.getvalue()
    except FrameError:
        raise
    except PILLOW_ERRORS as error:
        raise undecodable(error) from error


def _is_raw(image: Image.Image) -> bool:
    """Whether a TIFF file is a raw picture (DNG, NEF, ARW), whose first picture is only a thumbnail."""
    tags = image.getexif()
    return _DNG_VERSION in tags or bool(int(tags.get(ExifTags.Base.NewSubfileType, 0)) & _REDUCED)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; Pillow would cut off everything above 255
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise FrameError("pixels are fractions: expected 8 or 16 bits")
    return image.convert("RGB")
