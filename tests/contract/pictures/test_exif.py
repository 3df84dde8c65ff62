"""EXIF times: when a picture was taken."""

import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from PIL import ExifTags, Image
from tests.contract.pictures.render_times import hyperfire
from tests.contract.pictures.render_times import photographed as tagged

from uncia_contract.pictures.exif import parse_time
from uncia_contract.pictures.jpeg import jpeg_taken


@pytest.mark.parametrize(
    ("parts", "time"),
    [
        (("2012:12:31 14:46:04",), datetime(2012, 12, 31, 14, 46, 4, tzinfo=UTC)),
        (("2012:12:31 14:46:04", "25"), datetime(2012, 12, 31, 14, 46, 4, 250000, tzinfo=UTC)),
        (("2012:12:31 14:46:04", "", "+04:30"), datetime(2012, 12, 31, 10, 16, 4, tzinfo=UTC)),
        (("2020-09-29T05:38:18+0200",), datetime(2020, 9, 29, 3, 38, 18, tzinfo=UTC)),
        (("2020-09-29T05:38:18Z",), datetime(2020, 9, 29, 5, 38, 18, tzinfo=UTC)),
        (("2020:09:29 05:38:18", "", "rubbish"), datetime(2020, 9, 29, 5, 38, 18, tzinfo=UTC)),
        (("2026:01:14 24:04:20",), datetime(2026, 1, 15, 0, 4, 20, tzinfo=UTC)),
        (("2026:12:31 23:59:60",), datetime(2027, 1, 1, tzinfo=UTC)),
        (("2026:01:14",), None),
        (("2026-01-14",), None),
        (("0000:00:00 00:00:00",), None),
        (("1970:01:01 00:00:00",), None),
        (("",), None),
        (("yesterday",), None),
    ],
    ids=[
        "plain",
        "sub-seconds",
        "offset",
        "iso",
        "zulu",
        "bad offset",
        "hour 24",
        "second 60",
        "a date alone",
        "an ISO date alone",
        "zeros",
        "1970",
        "empty",
        "words",
    ],
)
def test_a_time_is_read_or_is_none(parts: tuple[str, ...], time: datetime | None) -> None:
    """EXIF 2.31 times, ISO times, and invalid values that cameras write."""
    assert parse_time(*parts) == time


def test_a_time_without_offset_is_taken_in_the_cameras_zone() -> None:
    """Most trail cameras write no offset; the zone is configured."""
    zone = timezone(timedelta(hours=5))
    assert parse_time("2012:12:31 14:46:04", zone=zone) == datetime(2012, 12, 31, 9, 46, 4, tzinfo=UTC)


TAKEN = datetime(2012, 12, 31, 14, 46, 4, 250000, tzinfo=UTC)


def photographed(**saved) -> bytes:
    """A small JPEG with TAKEN in its EXIF."""
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal], details[ExifTags.Base.SubsecTimeOriginal] = "2012:12:31 14:46:04", "25"
    stream = io.BytesIO()
    Image.new("RGB", (32, 24), "white").save(stream, "JPEG", exif=exif, **saved)
    return stream.getvalue()


def spread_over_segments(picture: bytes) -> bytes:
    """The picture with its EXIF block in two segments, as long blocks are stored."""
    at = picture.index(b"\xff\xe1")
    length = int.from_bytes(picture[at + 2 : at + 4], "big")
    block = picture[at + 10 : at + 2 + length]
    parts = [b"Exif\0\0" + part for part in (block[:40], block[40:])]
    segments = b"".join(b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part for part in parts)
    return picture[:at] + segments + picture[at + 2 + length :]


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: picture,
        lambda picture: picture[:2] + b"\xff\xff" + picture[2:],
        lambda picture: picture[:2] + b"\xff\xfe\x00\x06note" + picture[2:],
        lambda picture: picture[:2] + b"\xff\xe1\x00\x0bhttp://ns" + picture[2:],
        lambda picture: picture[: picture.index(b"\xff\xda")],
        spread_over_segments,
    ],
    ids=["as written", "fill bytes", "a comment before", "XMP before", "cut behind the header", "two segments"],
)
def test_a_pictures_time_is_found_in_its_header(changed) -> None:
    """In bytes, and in a stream, of which only the header is read."""
    picture = changed(photographed())
    stream = io.BytesIO(picture + bytes(100_000))
    assert (jpeg_taken(picture).at, jpeg_taken(stream).at) == (TAKEN, TAKEN)
    assert stream.tell() <= len(picture) + 4


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_header_that_is_cut_or_damaged_anywhere_gives_its_time_or_none() -> None:
    """It never raises an error; the picture itself is checked when it is decoded."""
    picture = photographed()
    header = picture.index(b"\xff\xda")
    cut = {jpeg_taken(picture[:end]).at for end in range(header)}
    flipped = [jpeg_taken(picture[:at] + bytes([picture[at] ^ 255]) + picture[at + 1 :]).at for at in range(header)]
    assert cut == {None, TAKEN}
    assert None in flipped and TAKEN in flipped


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x89PNG\r\n", b"\xff\xd8\xff\xe1\x00\x00", b"\xff\xd8" + b"\xff\xd0" * 50]
)
def test_a_file_that_is_not_a_jpeg_has_no_time(data: bytes) -> None:
    """It takes a short time for any bytes."""
    assert jpeg_taken(data).at is None


ORIGINAL, DIGITIZED, DATE_TIME = 0x9003, 0x9004, 0x0132
NOTE = hyperfire(datetime(2026, 1, 14, 3, 43, 4), 17, 3)  # noqa: DTZ001 - as a camera tells it


@pytest.mark.parametrize(
    ("tags", "note", "name", "second"),
    [
        ({ORIGINAL: "2026:01:14 03:43:01", DIGITIZED: "2026:01:14 03:43:02"}, NOTE, "", 1),
        ({ORIGINAL: "0000:00:00 00:00:00", DIGITIZED: "2026:01:14 03:43:02"}, NOTE, "", 2),
        ({ORIGINAL: "    :  :     :  :  ", DATE_TIME: "2026:01:14 03:43:03"}, NOTE, "", 3),
        ({ORIGINAL: "2026:01:14", DIGITIZED: " ", DATE_TIME: "2026:01:14 03:43:03"}, NOTE, "", 3),
        ({ORIGINAL: "0000:00:00 00:00:00"}, NOTE, "20260114_034305.jpg", 4),
        ({DATE_TIME: "2026:01:14"}, b"", "20260114_034305.jpg", 5),
        ({}, b"no maker of ours", "IMG_20260114_034305.jpg", 5),
    ],
    ids=["original", "digitized after zeros", "modified after blanks", "modified after a date", "maker's note",
         "name after a date", "name after an unknown note"],
)  # fmt: skip
def test_the_first_that_is_a_time_counts(tags: dict[int, object], note: bytes, name: str, second: int) -> None:
    """#1: the first valid time, not the first tag with a text."""
    assert jpeg_taken(tagged(tags, note), name=name).at == datetime(2026, 1, 14, 3, 43, second, tzinfo=UTC)


def test_each_tag_has_its_own_sub_seconds_and_offset() -> None:
    """Those of an invalid tag are not used for another tag."""
    tags = {ORIGINAL: "0000:00:00 00:00:00", 0x9291: "9", 0x9011: "+09:00", DIGITIZED: "2026:01:14 03:43:02"}
    picture = tagged(tags | {0x9292: "25", 0x9012: "+05:00"})
    assert jpeg_taken(picture).at == datetime(2026, 1, 13, 22, 43, 2, 250000, tzinfo=UTC)


def test_a_time_of_unknown_zone_has_none() -> None:
    """No `+00:00` as a guess; a time with an offset keeps it."""
    told = tagged({ORIGINAL: "2026:01:14 03:43:01", 0x9011: "+05:00"})
    untold = tagged({ORIGINAL: "2026:01:14 03:43:01"})
    assert [jpeg_taken(one, None).at.isoformat() for one in (told, untold)] == [
        "2026-01-14T03:43:01+05:00",
        "2026-01-14T03:43:01",
    ]


@pytest.mark.parametrize("text", ["1970:01:01 00:00:07", "1980:01:01 00:00:07"], ids=["1970", "1980"])
def test_the_time_of_a_reset_clock_is_only_in_clock(text: str) -> None:
    """#4: it still shows which pictures belong together."""
    found = jpeg_taken(tagged({ORIGINAL: text}))
    assert (found.at, f"{found.clock:%Y:%m:%d %H:%M:%S}") == (None, text)


def test_a_picture_names_its_camera() -> None:
    """Maker, model, and the serial number of the note."""
    found = jpeg_taken(tagged({0x010F: "RECONYX", 0x0110: "HC500 HYPERFIRE"}, NOTE))
    assert (found.camera, found.note.event, found.note.frame) == ("RECONYX HC500 HYPERFIRE H500", 17, 3)
