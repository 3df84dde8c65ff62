"""Whether bytes are a picture we can use, and its pixels: the only place where JPEGs are opened.

Decides what is refused: empty, not a JPEG, truncated, absurdly large. `check_jpeg` is the cheap look on arrival (no
decoding), `open_jpeg` the decoder. Pixels come oriented and RGB, decoded at a reduced DCT scale where that is enough.
"""

import io
import os
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import BinaryIO

from PIL import ExifTags, Image

from uncia_contract.errors import FrameError
from uncia_contract.exif import taken_at

MAX_JPEG_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 89_000_000  # above this Pillow warns of a decompression bomb

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS, _APP1, _EXIF = 0xDA, 0xE1, b"Exif\0\0"
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_FORMATS = ("JPEG", "MPO")
# All that Pillow is known to raise on broken files.
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    struct.error,
    Image.DecompressionBombError,
)
_QUARTER_TURNS = {5, 6, 7, 8}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def check_jpeg(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels as stored, after a cheap look at size and markers.

    Raises:
        FrameError: empty, too many bytes, not a JPEG, truncated, or too many pixels; the message says which.
    """
    if not data:
        raise FrameError("empty file: expected a JPEG")
    if len(data) > MAX_JPEG_BYTES:
        raise FrameError(f"{len(data)} bytes: expected at most {MAX_JPEG_BYTES}")
    if not data.startswith(_SOI):
        raise FrameError(f"not a JPEG: begins with {data[:4].hex(' ')}, expected ff d8")
    size, scan = _walk(data)
    if size is None:
        raise FrameError("truncated: a JPEG without a frame header")
    if size[0] * size[1] > MAX_PIXELS or 0 in size:
        raise FrameError(f"{size[0]} x {size[1]} pixels: expected 1 to {MAX_PIXELS} in all")
    if data.rfind(_EOI, scan) < 0:
        raise FrameError("truncated: the end marker ff d9 is missing")
    return size


def _walk(data: bytes) -> tuple[tuple[int, int] | None, int]:
    """Size and where the first scan begins, from the marker segments."""
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise FrameError(f"damaged: byte {at} is {data[at]:02x}, expected a marker ff")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        if marker in _SIZES and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        if marker == _SOS:
            return size, at
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    raise FrameError("truncated: the file ends within its header")


def open_jpeg(data: bytes, enough: tuple[int, int] | None = None) -> Image.Image:
    """The oriented RGB picture, decoded.

    Args:
        data: the file's bytes.
        enough: (width, height) of the whole oriented picture that suffices; the decoder then halves up to three
            times (DCT scaling) while both sides stay at least that large. None decodes in full.

    Raises:
        FrameError: the bytes are no picture that Pillow can decode in full.
    """
    check_jpeg(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            turn = image.getexif().get(ExifTags.Base.Orientation, 1)
            if enough is not None:
                image.draft("RGB", enough[::-1] if turn in _QUARTER_TURNS else enough)
            image.load()
            rgb = image if image.mode == "RGB" else image.convert("RGB")
    except PILLOW_ERRORS as error:
        raise FrameError(f"cannot be decoded: {error}") from error
    return rgb.transpose(_TURNS[turn]) if turn in _TURNS else rgb


def dct_scale(size: tuple[int, int], enough: tuple[int, int]) -> int:
    """By how much the decoder of `open_jpeg` scales a picture of that (width, height) down: 1, 2, 4 or 8."""
    most = min(size[0] // enough[0], size[1] // enough[1])
    return next(scale for scale in (8, 4, 2, 1) if most >= scale or scale == 1)


def jpeg_time(picture: bytes | BinaryIO, zone: tzinfo = UTC) -> datetime | None:
    """When the picture was taken (aware UTC), without decoding it; None where EXIF does not tell or is broken.

    Of a stream only the header is read. Whether the rest is a picture, is not asked.
    """
    source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    if source.read(2) != _SOI:
        return None
    first, *more = [block for block in _app1(source) if block.startswith(_EXIF)] or [b""]
    return taken_at(first + b"".join(block[len(_EXIF) :] for block in more), zone) if first else None


def _app1(stream: BinaryIO) -> Iterator[bytes]:
    """The contents of a header's APP1 segments, behind the start of the image."""
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF and head[1] != _SOS:
        length = int.from_bytes(head[2:], "big") - 2
        if head[1] == 0xFF:  # fill byte
            stream.seek(-3, os.SEEK_CUR)
        elif head[1] in _STANDALONE:
            stream.seek(-2, os.SEEK_CUR)
        elif length < 0:
            return
        elif head[1] == _APP1:
            yield stream.read(length)
        else:
            stream.seek(length, os.SEEK_CUR)


def picture_bytes(opened: Callable[[], BinaryIO]) -> bytes:
    """The bytes of a file, once opened; no more memory is taken than it needs.

    Raises:
        FrameError: it cannot be read, or is absurdly large.
    """
    try:
        with opened() as stream:
            size = stream.seek(0, os.SEEK_END)
            if size > MAX_JPEG_BYTES:
                raise FrameError(f"more than {MAX_JPEG_BYTES} bytes")
            stream.seek(0)
            return stream.read(size)
    except OSError as error:
        raise FrameError(f"cannot be read: {error.strerror or error}") from error


def oriented_size(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of the oriented picture, without decoding it.

    Raises:
        FrameError: the header cannot be read.
    """
    width, height = check_jpeg(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
    except PILLOW_ERRORS as error:
        raise FrameError(f"cannot be opened: {error}") from error
    return (height, width) if turned else (width, height)
