"""Makes JPEGs with given EXIF tags, and maker's notes."""

import io
import struct
from datetime import datetime

from PIL import ExifTags, Image

MAKER_NOTE = 0x927C


def photographed(tags: dict[int, object], note: bytes = b"") -> bytes:
    """A small JPEG with these tags; tags of the Exif block are put there."""
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in tags.items():
        of = exif if tag in {0x010F, 0x0110, 0x0132} else details
        of[tag] = value
    if note:
        details[MAKER_NOTE] = note
    stream = io.BytesIO()
    Image.new("RGB", (32, 24), "white").save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def hyperfire(
    clock: datetime, event: int, frame: int, frames: int = 10, serial: str = "H500", dates: str = "<"
) -> bytes:
    """A HyperFire note; `dates` is the byte order of its six date fields."""
    head = struct.pack("<7H", 0xF101, 3, 3, 0, 0x2011, 0x0110, ord("M"))
    count = struct.pack("<4H", frame, frames, event >> 16, event & 0xFFFF)
    fields = (clock.second, clock.minute, clock.hour, clock.month, clock.day, clock.year)
    rest = struct.pack("<2H2h", 4, 7, 50, 10) + serial.encode("utf-16-le").ljust(30, b"\0") + bytes(60)
    return head + count + struct.pack(f"{dates}6H", *fields) + rest


def ultrafire(clock: datetime, event: int, frame: int, frames: int = 10, serial: str = "U1") -> bytes:
    """An UltraFire note."""
    fields = (clock.second, clock.minute, clock.hour, clock.day, clock.month, clock.year)
    note = b"RECONYXUF\0".ljust(0x34, b"\0") + b"M" + struct.pack("<BBI", frame, frames, event)
    return (note + struct.pack("<5BH", *fields)).ljust(0x4B, b"\0") + serial.encode().ljust(15, b"\0") + bytes(21)


def hyperfire_2(clock: datetime, event: int, frame: int, frames: int = 10, serial: str = "H2X") -> bytes:
    """A HyperFire 2 note."""
    fields = (clock.second, clock.minute, clock.hour, clock.month, clock.day, clock.year)
    note = b"RECONYXH2\0".ljust(0x34, b"\0") + b"M\0" + struct.pack("<4H", frame, frames, event >> 16, event & 0xFFFF)
    return (note + struct.pack("<6H", *fields)).ljust(0x7E, b"\0") + serial.encode("utf-16-le").ljust(30, b"\0")
