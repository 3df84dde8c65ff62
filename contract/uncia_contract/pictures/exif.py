"""When a picture was taken, as its EXIF tells: DateTimeOriginal with sub-seconds and offset (EXIF 2.31).

Decides how camera times are read. A time without an offset is taken in the zone that is handed in, for cameras do not
know theirs; a time that cannot be true is None, never a guess.
"""

import struct
from datetime import UTC, datetime, timedelta, tzinfo

from PIL import ExifTags
from PIL.Image import Exif

_YEARS = range(1990, 2100)


def taken_at(block: bytes, zone: tzinfo = UTC) -> datetime | None:
    """The time in an EXIF block (`Exif`, two zeros, TIFF) as aware UTC; None where it has none, or an absurd one."""
    exif = Exif()
    try:
        exif.load(block)
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except (ValueError, KeyError, TypeError, SyntaxError, OSError, struct.error):
        return None  # a broken EXIF block is no reason to lose the picture
    text = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    subseconds = details.get(ExifTags.Base.SubsecTimeOriginal)
    offset = details.get(ExifTags.Base.OffsetTimeOriginal) or details.get(ExifTags.Base.OffsetTime)
    return parse_time(str(text or ""), str(subseconds or ""), str(offset or ""), zone)


def parse_time(text: str, subseconds: str = "", offset: str = "", zone: tzinfo = UTC) -> datetime | None:
    """An EXIF or ISO time as an aware UTC datetime; None where it is empty, malformed, before 1990 or after 2099."""
    cleaned = text.strip().strip("\0")
    if len(cleaned) >= 10 and cleaned[4] == ":" and cleaned[7] == ":":  # EXIF writes dates with colons
        cleaned = cleaned[:10].replace(":", "-") + cleaned[10:]
    try:
        time = datetime.fromisoformat(cleaned + (offset.strip().strip("\0") if "T" not in cleaned else ""))
    except ValueError:
        try:
            time = datetime.fromisoformat(cleaned)
        except ValueError:
            return None
    if time.year not in _YEARS:
        return None
    time = (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    return time + _fraction(subseconds) if time.microsecond == 0 else time


def _fraction(subseconds: str) -> timedelta:
    digits = subseconds.strip().strip("\0")
    return timedelta(seconds=float(f"0.{digits}")) if digits.isascii() and digits.isdigit() else timedelta()
