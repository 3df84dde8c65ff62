"""Reads when a picture was taken, by which camera and trigger, from EXIF, the maker's note or the file's name.

#1 The first valid time counts of: DateTimeOriginal, DateTimeDigitized, DateTime, each with its own sub-seconds and
offset (EXIF 2.31), the maker's note, the file's name. #2 A date alone is not a time; hour 24 is hour 0 of the next day,
second 60 is second 0 of the next minute. #3 A time without an offset is in the zone that the caller gives, because
cameras do not know their zone; if the caller gives none, the time stays as it is written. #4 A time before 1990 or
after 2099 cannot be right; only `clock` has it, because it still shows which pictures belong together.
"""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from PIL import ExifTags
from PIL.Image import Exif

from uncia_contract.pictures.file_name_times import file_name_time
from uncia_contract.pictures.maker_notes import MakerNote, maker_note

_YEARS = range(1990, 2100)
_DATE_AND_HOUR = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)([T ])(\d\d)")
_SECOND_60 = re.compile(r"(?<=[T ]\d\d:\d\d:)60")
_TAGS = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.SubsecTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.SubsecTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime, ExifTags.Base.OffsetTime),
)


@dataclass(frozen=True)
class Taken:
    """When and by which camera a picture was taken.

    `clock` is the time of the camera's clock, in any year. `at` is the time as aware UTC, or as it is written if the
    caller gave no zone; None if the time cannot be right (#4). `camera` is maker, model and serial number, as far as
    they are known.
    """

    at: datetime | None = None
    clock: datetime | None = None
    camera: str = ""
    note: MakerNote | None = None
    serial: str = ""


def taken(block: bytes | Exif, zone: tzinfo | None = UTC, name: str = "") -> Taken:
    """When and by which camera a picture was taken, from its EXIF block and its file's name.

    Args:
        block: the bytes `Exif`, two zeros and TIFF data of a JPEG's header (may be empty), or Pillow's `Exif`; a
            damaged block is treated as empty.
        zone: the zone of times without an offset; None where it is not known.
        name: the file's name.
    """
    exif, details = _read(block)
    raw = details.get(ExifTags.Base.MakerNote)
    note = maker_note(raw) if isinstance(raw, bytes) else None
    time = _tagged(exif, details) or (note and note.clock) or _clock(file_name_time(name))
    serial = (note and note.serial) or _text(details.get(ExifTags.Base.BodySerialNumber))
    maker = (exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model), serial)
    camera = " ".join(text for part in maker if (text := _text(part)))
    if time is None:
        return Taken(None, None, camera, note, serial)
    return Taken(_true(time, zone), time.replace(tzinfo=None), camera, note, serial)


def parse_time(text: str, subseconds: str = "", offset: str = "", zone: tzinfo | None = UTC) -> datetime | None:
    """An EXIF or ISO time as an aware UTC datetime; None if it is empty, malformed, before 1990 or after 2099.

    If `zone` is None, the time stays as it is written: with its own offset, or without a zone.
    """
    time = _clock(text, subseconds, offset)
    return None if time is None else _true(time, zone)


def _read(block: bytes | Exif) -> tuple[Exif, dict[int, object]]:
    exif = block if isinstance(block, Exif) else Exif()
    try:
        if isinstance(block, bytes):
            exif.load(block)
        return exif, exif.get_ifd(ExifTags.IFD.Exif)
    except (ValueError, KeyError, TypeError, SyntaxError, OSError, struct.error):
        return Exif(), {}  # a broken EXIF block is no reason to lose the picture


def _tagged(exif: Exif, details: dict[int, object]) -> datetime | None:
    """The first tag that is a time (#1)."""
    for tag, subseconds, offset in _TAGS:
        of = exif if tag == ExifTags.Base.DateTime else details
        zone = _text(details.get(offset)) or _text(details.get(ExifTags.Base.OffsetTime))
        time = _clock(_text(of.get(tag)), _text(details.get(subseconds)), zone)
        if time is not None:
            return time
    return None


def _clock(text: str, subseconds: str = "", offset: str = "") -> datetime | None:
    """A time as it is written, with its offset if it has one; None if it is not a time (#2)."""
    cleaned, later = text.strip(" \t\r\n\0"), timedelta()
    if start := _DATE_AND_HOUR.match(cleaned):  # EXIF writes dates with colons
        year, month, day, between, hour = start.groups()
        later = timedelta(days=hour == "24")
        cleaned = f"{year}-{month}-{day}{between}{'00' if hour == '24' else hour}{cleaned[start.end() :]}"
    cleaned, leap = _SECOND_60.subn("59", cleaned)
    if len(cleaned) <= len("2026-01-14"):
        return None
    try:
        time = _from_iso(cleaned, offset) + later + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        return None
    return time + _fraction(subseconds) if time.microsecond == 0 else time


def _from_iso(cleaned: str, offset: str) -> datetime:
    try:
        return datetime.fromisoformat(cleaned + (offset.strip(" \0") if "T" not in cleaned else ""))
    except ValueError:
        return datetime.fromisoformat(cleaned)


def _true(time: datetime, zone: tzinfo | None) -> datetime | None:
    """The time in UTC (#3); None if it cannot be right (#4)."""
    if time.year not in _YEARS:
        return None
    known = time if time.tzinfo else time.replace(tzinfo=zone)
    return known if zone is None else known.astimezone(UTC)


def _fraction(subseconds: str) -> timedelta:
    digits = subseconds.strip(" \0")
    return timedelta(seconds=float(f"0.{digits}")) if digits.isascii() and digits.isdigit() else timedelta()


def _text(value: object) -> str:
    """A tag's text; damaged blocks hold bytes, numbers or tuples where text should be."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value) if value is not None else ""
    return text.partition("\0")[0].strip()
