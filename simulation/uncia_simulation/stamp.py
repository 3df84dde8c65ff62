"""Makes the camera's file of a picture: adds burnt-in strips and EXIF, and encodes it as JPEG.

Decides the look of the strips and the tags that are written; the caller gives the times.
"""

import io
from dataclasses import dataclass
from datetime import datetime

from PIL import ExifTags, Image, ImageDraw, ImageFont

JPEG_QUALITY = 85
STRIP = 0.028  # height of a strip, as a fraction of the frame's


@dataclass(frozen=True)
class Stamp:
    """A frame's caption: time (with UTC offset), number, count, place, and temperature in degrees Celsius."""

    taken_at: datetime
    number: int
    count: int
    location: str
    celsius: int


def stamped(picture: Image.Image, stamp: Stamp) -> bytes:
    """The picture as the camera's JPEG file."""
    _burn_in(picture, stamp)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY, exif=_exif(stamp))
    return file.getvalue()


def _burn_in(picture: Image.Image, stamp: Stamp) -> None:
    """Draw strips at top and bottom, white on black, like those of Reconyx cameras."""
    width, height = picture.size
    high = round(STRIP * height)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(0.72 * high)
    middle, bottom = high / 2, height - high / 2
    draw.rectangle((0, 0, width, high), fill=0)
    draw.rectangle((0, height - high, width, height), fill=0)
    time = f"{stamp.taken_at:%Y-%m-%d %I:%M:%S %p}"
    draw.text((0.015 * width, middle), time, fill="white", font=font, anchor="lm")
    draw.text((0.36 * width, middle), f"M {stamp.number}/{stamp.count}", fill="white", font=font, anchor="lm")
    draw.text((0.985 * width, middle), f"{stamp.celsius}°C", fill="white", font=font, anchor="rm")
    draw.text((0.015 * width, bottom), stamp.location.upper(), fill="white", font=font, anchor="lm")
    draw.text((0.985 * width, bottom), "UNCIA · RENDERED", fill="white", font=font, anchor="rm")


def _exif(stamp: Stamp) -> Image.Exif:
    taken = stamp.taken_at
    time, offset = f"{taken:%Y:%m:%d %H:%M:%S}", f"{taken:%z}"
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "uncia"
    exif[ExifTags.Base.Model] = "rendered"
    exif[ExifTags.Base.DateTime] = time
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = time
    details[ExifTags.Base.SubsecTimeOriginal] = f"{taken.microsecond // 1000:03d}"
    details[ExifTags.Base.OffsetTimeOriginal] = f"{offset[:3]}:{offset[3:5]}"
    return exif
