"""Times: what EXIF says of when a picture was taken."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from uncia_contract.exif import parse_time


@pytest.mark.parametrize(
    ("parts", "time"),
    [
        (("2012:12:31 14:46:04",), datetime(2012, 12, 31, 14, 46, 4, tzinfo=UTC)),
        (("2012:12:31 14:46:04", "25"), datetime(2012, 12, 31, 14, 46, 4, 250000, tzinfo=UTC)),
        (("2012:12:31 14:46:04", "", "+04:30"), datetime(2012, 12, 31, 10, 16, 4, tzinfo=UTC)),
        (("2020-09-29T05:38:18+0200",), datetime(2020, 9, 29, 3, 38, 18, tzinfo=UTC)),
        (("2020-09-29T05:38:18Z",), datetime(2020, 9, 29, 5, 38, 18, tzinfo=UTC)),
        (("2020:09:29 05:38:18", "", "rubbish"), datetime(2020, 9, 29, 5, 38, 18, tzinfo=UTC)),
        (("0000:00:00 00:00:00",), None),
        (("1970:01:01 00:00:00",), None),
        (("",), None),
        (("yesterday",), None),
    ],
    ids=["plain", "sub-seconds", "offset", "iso", "zulu", "bad offset", "zeros", "1970", "empty", "words"],
)
def test_a_time_is_read_or_is_none(parts: tuple[str, ...], time: datetime | None) -> None:
    """EXIF 2.31 times, ISO times, and the lies that cameras tell."""
    assert parse_time(*parts) == time


def test_a_time_without_offset_is_taken_in_the_cameras_zone() -> None:
    """Most trail cameras write no offset; the configuration knows it."""
    zone = timezone(timedelta(hours=5))
    assert parse_time("2012:12:31 14:46:04", zone=zone) == datetime(2012, 12, 31, 9, 46, 4, tzinfo=UTC)
