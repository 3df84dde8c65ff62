"""Removes from a JPEG what could reveal where it was taken; its pixels, and the stored file, stay unchanged.

Decides which parts of a header may leave the station:
#1 EXIF: the tags listed here (camera, time, exposure, orientation), never GPS, maker notes or free text. A text is kept
   only if it is a time, or a short name of make or model.
#2 JFIF without its thumbnail, the colour profile, Adobe's segment, and what decoding needs.
#3 Nothing else: no XMP, IPTC or comment, no thumbnail, no other segment with JFIF's or Adobe's marker, and nothing
   after the end of the picture, where phones and stereo cameras store further pictures.
"""

import re
import struct
from collections.abc import Iterator

from PIL import ExifTags, Image

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import PILLOW_ERRORS

_EXIF, _ICC, _SOS, _EOI = b"Exif\0\0", b"ICC_PROFILE\0", 0xDA, 0xD9
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_JFIF, _JFIF_BYTES, _ADOBE, _ADOBE_BYTES = b"JFIF\0", 12, b"Adobe", 12  # JFIF without its thumbnail, Adobe whole
_TIME, _NAME = re.compile(r"[\d:. +Z-]{1,32}"), re.compile(r"[\w .()/-]{1,40}")
_NEEDED = {0xDB, 0xC4, 0xCC, 0xDD, 0xDC, _SOS} | ({*range(0xC0, 0xD0)} - {0xC8})
_CAMERA = (
    *(ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Orientation, ExifTags.Base.DateTime),
    *(ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit),
)
_PICTURE = (
    *(ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTime),
    *(ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTime),
    *(ExifTags.Base.SubsecTimeOriginal, ExifTags.Base.SubsecTimeDigitized, ExifTags.Base.ExposureTime),
    *(ExifTags.Base.FNumber, ExifTags.Base.ISOSpeedRatings, ExifTags.Base.Flash, ExifTags.Base.FocalLength),
    *(ExifTags.Base.ExifVersion, ExifTags.Base.ColorSpace, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
)


def strip_location(jpeg: bytes) -> bytes:
    """The same picture with a header that holds no location; the decoded pixels are identical.

    Raises:
        FrameError: the segments of the file do not lead to the end of the picture.
    """
    return b"\xff\xd8" + b"".join(_segments(jpeg)) + b"\xff\xd9"


def _segments(jpeg: bytes) -> Iterator[bytes]:
    at = 2
    while True:
        at = jpeg.find(b"\xff", at)
        if at < 0 or at + 4 > len(jpeg):
            if jpeg[at : at + 2] == b"\xff\xd9":
                return
            raise FrameError("damaged: the picture does not end")
        marker = jpeg[at + 1]
        if marker == _EOI:
            return
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # fill bytes, and markers without content
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
        end = _scan_end(jpeg, end) if marker == _SOS else end
        yield _segment(marker, jpeg[at:end])
        at = end


def _scan_end(jpeg: bytes, at: int) -> int:
    """Where the compressed data that begin at `at` end: at the next marker except stuffed bytes and restarts."""
    while (at := jpeg.find(b"\xff", at)) >= 0 and at + 1 < len(jpeg):
        if jpeg[at + 1] != 0 and not 0xD0 <= jpeg[at + 1] <= 0xD7:
            return at
        at += 2
    raise FrameError("damaged: the picture does not end")


def _segment(marker: int, segment: bytes) -> bytes:
    """The segment as it may leave the station; empty if it may not (#1, #2, #3)."""
    if marker == _APP1 and segment[4:].startswith(_EXIF):
        return _exif_segment(segment[4:])
    if marker == _APP2 and segment[4:].startswith(_ICC):
        return segment
    if marker == _APP0 and segment[4:].startswith(_JFIF) and len(segment) >= 4 + _JFIF_BYTES + 2:
        return _application(marker, segment[4 : 4 + _JFIF_BYTES] + b"\0\0")  # a thumbnail of no pixels
    if marker == _APP14 and segment[4:].startswith(_ADOBE) and len(segment) >= 4 + _ADOBE_BYTES:
        return _application(marker, segment[4 : 4 + _ADOBE_BYTES])
    return segment if marker in _NEEDED else b""


def _application(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _exif_segment(block: bytes) -> bytes:
    """The EXIF segment with the tags of #1; empty if the block cannot be read."""
    old, new = Image.Exif(), Image.Exif()
    try:
        old.load(block)
        details = old.get_ifd(ExifTags.IFD.Exif)
        new.update({tag: old[tag] for tag in _CAMERA if tag in old and _is_plain(tag, old[tag])})
        new[ExifTags.IFD.Exif] = {
            tag: details[tag] for tag in _PICTURE if tag in details and _is_plain(tag, details[tag])
        }
        content = new.tobytes()
    except PILLOW_ERRORS:
        return b""
    content = content if content.startswith(_EXIF) else _EXIF + content
    return _application(_APP1, content)


def _is_plain(tag: int, value: object) -> bool:
    """Whether a value is what its tag is for: a number, a few bytes, a time, a short name."""
    if isinstance(value, bytes):
        return len(value) <= 4
    if not isinstance(value, str):
        return True
    text = value.rstrip("\0 ")
    return bool((_NAME if tag in (ExifTags.Base.Make, ExifTags.Base.Model) else _TIME).fullmatch(text))
