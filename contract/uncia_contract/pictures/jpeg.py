"""Checks and decodes JPEGs; no other module opens them.

Decides which files are refused: empty, not a JPEG, truncated, too large. `check_jpeg` checks without decoding,
`open_jpeg` decodes, `open_region` decodes a part only. Pixels are oriented and RGB, decoded at a reduced DCT scale
where that is enough.
A picture is given as bytes or as a stream; of a stream at most 64 kB are in memory at a time.
"""

import io
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import BinaryIO

from PIL import ExifTags, Image

from uncia_contract.errors import FrameError, UnreadableError
from uncia_contract.pictures.exif import Taken, taken
from uncia_contract.pictures.pillow_rows import Box, RowJpeg
from uncia_contract.pictures.region import Region

Picture = bytes | BinaryIO  # a stream is read from its start, and left open
Size = tuple[int, int]

MAX_JPEG_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 89_000_000  # above this Pillow warns of a decompression bomb

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS, _APP1, _EXIF = 0xDA, 0xE1, b"Exif\0\0"
_BLOCK_BYTES = 4096  # header and end of a file are read in blocks of this size
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
FORMATS = ("JPEG", "MPO")
# The errors that Pillow is known to raise for damaged files.
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    struct.error,
    Image.DecompressionBombError,
)
UNREADABLE = "cannot be read: "  # the beginning of the message of an UnreadableError
QUARTER_TURNS = {5, 6, 7, 8}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def stream_of(picture: Picture) -> BinaryIO:
    """The picture as a stream, at its start."""
    if isinstance(picture, bytes):
        return io.BytesIO(picture)
    picture.seek(0)
    return picture


def is_unreadable(failure: str | None) -> bool:
    """Whether a failure is a read error, which may be temporary, and not a fault of the picture."""
    return failure is not None and failure.startswith(UNREADABLE)


def check_jpeg(picture: Picture) -> tuple[int, int]:
    """Check size and markers without decoding; return (width, height) in pixels as stored.

    Raises:
        FrameError: empty, too many bytes, not a JPEG, truncated, too many pixels, or unreadable; the message says
            which.
    """
    try:
        return _checked(stream_of(picture))
    except OSError as error:
        raise undecodable(error) from error


def _checked(stream: BinaryIO) -> tuple[int, int]:
    length = stream.seek(0, os.SEEK_END)
    if not length:
        raise FrameError("empty file: expected a JPEG")
    if length > MAX_JPEG_BYTES:
        raise FrameError(f"{length} bytes: expected at most {MAX_JPEG_BYTES}")
    start = _read_at(stream, 0, 4)
    if not start.startswith(_SOI):
        raise FrameError(f"not a JPEG: begins with {start.hex(' ')}, expected ff d8")
    size, scan = _header(stream)
    if size is None:
        raise FrameError("truncated: a JPEG without a frame header")
    if size[0] * size[1] > MAX_PIXELS or 0 in size:
        raise FrameError(f"{size[0]} x {size[1]} pixels: expected 1 to {MAX_PIXELS} in all")
    if not _ends(stream, scan, length):
        raise FrameError("truncated: the end marker ff d9 is missing")
    return size


def _header(stream: BinaryIO) -> tuple[tuple[int, int] | None, int]:
    """(width, height) and the offset of the first scan, from the marker segments."""
    size: tuple[int, int] | None = None
    for marker, at, _ in segments(stream):
        if marker in _SIZES and len(sides := _read_at(stream, at + 5, 4)) == 4:
            height, width = struct.unpack(">HH", sides)
            size = (width, height)
        if marker == _SOS:
            return size, at
    raise FrameError("truncated: the file ends within its header")


def segments(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """The header's segments up to the first scan: (marker, offset, length as stored)."""
    at, marker, begin, block = 2, 0, 0, b""
    while marker != _SOS:
        if at + 4 > begin + len(block):
            begin, block = at, _read_at(stream, at, _BLOCK_BYTES)
            if len(block) < 4:
                return
        here = at - begin
        if block[here] != 0xFF:
            raise FrameError(f"damaged: byte {at} is {block[here]:02x}, expected a marker ff")
        marker = block[here + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        else:
            length = block[here + 2] << 8 | block[here + 3]
            yield marker, at, length
            at += 2 + length


def _ends(stream: BinaryIO, scan: int, length: int) -> bool:
    """Whether there is an end marker after the start of the scan; the search begins at the file's end."""
    after = b""
    for end in range(length, scan, -_BLOCK_BYTES):
        begin = max(scan, end - _BLOCK_BYTES)
        block = _read_at(stream, begin, end - begin) + after
        if _EOI in block:
            return True
        after = block[:1]
    return False


def _read_at(stream: BinaryIO, at: int, count: int) -> bytes:
    stream.seek(at)
    return stream.read(count)


@dataclass(frozen=True, eq=False)
class DecodedJpeg:
    """A decoded, oriented RGB picture, its full (width, height), and the DCT scale of its decoding: 1, 2, 4 or 8."""

    image: Image.Image
    full_size: Size
    scale: int

    def serves(self, enough: Size) -> bool:
        """Whether decoding with this `enough` would give the same pixels."""
        return self.scale == dct_scale(self.full_size, enough)


def open_jpeg(picture: Picture, enough: Size | None = None) -> Image.Image:
    """The oriented RGB picture, decoded; see `decode_jpeg`."""
    return decode_jpeg(picture, enough).image


def _load(image: Image.Image) -> object:
    return image.load()


def decode_jpeg(
    picture: Picture, enough: Size | None = None, load: Callable[[Image.Image], object] = _load
) -> DecodedJpeg:
    """The oriented RGB picture, decoded.

    Args:
        picture: the JPEG.
        enough: (width, height) of the oriented picture that is large enough; the decoder halves the picture up to three
            times (DCT scaling) while both sides stay at least that large. None decodes at full size.
        load: called to decode the opened picture, in its stored orientation.

    Raises:
        FrameError: Pillow cannot decode the whole picture.
    """
    check_jpeg(picture)
    try:
        with Image.open(stream_of(picture), formats=FORMATS) as image:
            turn = turn_of(image)
            full_size = oriented(image.size, turn)
            if enough is not None:
                image.draft("RGB", oriented(enough, turn))
            load(image)
            return DecodedJpeg(upright(image, turn), full_size, dct_scale(full_size, enough or full_size))
    except PILLOW_ERRORS as error:
        raise undecodable(error) from error


def open_region(picture: Picture, enough: Size, region: Region) -> Image.Image:
    """A region of the oriented RGB picture: the pixels of `open_jpeg`, cropped, in less time and memory.

    Args:
        picture: the JPEG.
        enough: (width, height) of the whole oriented picture that is large enough.
        region: the part to decode.

    Raises:
        FrameError: Pillow cannot decode the picture down to the last row of the region.
    """
    check_jpeg(picture)
    try:
        with RowJpeg(stream_of(picture)) as image:
            turn = turn_of(image)
            image.draft("RGB", oriented(enough, turn))
            box = pixel_box(region, oriented(image.size, turn))
            return upright(image.decode_box(_as_stored(box, image.size, turn)), turn)
    except PILLOW_ERRORS as error:
        raise undecodable(error) from error


def pixel_box(region: Region, size: Size) -> Box:
    """The region as pixels (left, top, right, bottom) of a frame of `size` (width, height); at least one pixel."""
    width, height = size
    left = min(round(region.left * width), width - 1)
    top = min(round(region.top * height), height - 1)
    right = min(max(round((region.left + region.width) * width), left + 1), width)
    bottom = min(max(round((region.top + region.height) * height), top + 1), height)
    return left, top, right, bottom


def turn_of(image: Image.Image) -> int:
    """EXIF's orientation: 1 (upright as stored) to 8."""
    turn: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turn


def oriented(size: Size, turn: int) -> Size:
    """The (width, height) of the oriented picture from that of the stored one, or the reverse."""
    return size[::-1] if turn in QUARTER_TURNS else size


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The picture as RGB, turned upright according to its EXIF orientation."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb.transpose(_TURNS[turn]) if turn in _TURNS else rgb


def _as_stored(box: Box, size: Size, turn: int) -> Box:
    """The box in the stored picture, of `size` (width, height), for a box in the oriented one."""
    left, top, right, bottom = box
    if turn in QUARTER_TURNS:
        left, top, right, bottom = top, left, bottom, right
    if turn in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if turn in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


def undecodable(error: Exception) -> FrameError:
    """The error to raise when Pillow could not decode a picture or the system could not read its file."""
    if isinstance(error, OSError) and error.errno:
        return UnreadableError(f"{UNREADABLE}{error.strerror}")
    return FrameError(f"cannot be decoded: {error}")


def dct_scale(size: tuple[int, int], enough: tuple[int, int]) -> int:
    """The factor by which `open_jpeg` scales down a picture of `size` (width, height): 1, 2, 4 or 8."""
    most = min(size[0] // enough[0], size[1] // enough[1])
    return next(scale for scale in (8, 4, 2, 1) if most >= scale or scale == 1)


def jpeg_taken(picture: Picture, zone: tzinfo | None = UTC, name: str = "") -> Taken:
    """When and by which camera the picture was taken (see `taken`), without decoding it.

    Only the header of a stream is read. The rest is not checked.
    """
    stream = stream_of(picture)
    if stream.read(2) != _SOI:
        return taken(b"", zone, name)
    first, *more = [block for block in _app1(stream) if block.startswith(_EXIF)] or [b""]
    return taken(first + b"".join(block[len(_EXIF) :] for block in more), zone, name)


def _app1(stream: BinaryIO) -> Iterator[bytes]:
    """The contents of the header's APP1 segments, up to the first damaged segment."""
    with suppress(FrameError):
        for marker, at, length in segments(stream):
            if marker == _APP1:
                yield _read_at(stream, at + 4, max(length - 2, 0))


def picture_bytes(opened: Callable[[], BinaryIO]) -> bytes:
    """The bytes of the file that `opened` opens; it uses no more memory than the file needs.

    Raises:
        FrameError: it cannot be read, or is larger than `MAX_JPEG_BYTES`.
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


def oriented_size(picture: Picture) -> tuple[int, int]:
    """(width, height) in pixels of the oriented picture, without decoding it.

    Raises:
        FrameError: the header cannot be read.
    """
    width, height = check_jpeg(picture)
    try:
        with Image.open(stream_of(picture), formats=FORMATS) as image:
            return oriented((width, height), turn_of(image))
    except PILLOW_ERRORS as error:
        raise undecodable(error) from error
