"""Wrong clocks in the running trap: 1970, jumps, equal times, summer time, missing or absurd EXIF, reboots."""

import io
import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from tests.edge.scene import START, WatchedTrap, jpeg, reading

from uncia_contract.messages.records import SequenceRecord
from uncia_edge.clock import Reading
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observation

SMALL = Image.effect_noise((64, 48), 40).convert("RGB")


def stamped(seconds: float) -> str:
    return f"{START + timedelta(seconds=seconds):%Y:%m:%d %H:%M:%S}"


def show(post: WatchedTrap, *stamps: str) -> list[Observation]:
    """Write one file for each EXIF time, a second apart; return what the trap observed."""
    for n, stamp in enumerate(stamps):
        path = post.put(
            f"DCIM/100RECNX/RCNX{n:04d}.JPG", jpeg(SMALL, stamp) + bytes([n])
        )  # one more byte, so that no file is a copy of another
        os.utime(path, (START.timestamp() + n, START.timestamp() + n))
    return post.observe()


def records(seen: list[Observation]) -> list[SequenceRecord]:
    found = [one.record for one in seen]
    assert all(found)
    return [record for record in found if record is not None]


def names(record: SequenceRecord) -> list[str]:
    return [entry.name for entry in record.frames]


def assert_each_frame_once(found: list[SequenceRecord], frames: int, post: WatchedTrap) -> None:
    """Assert that each frame is in one record, ids are unique, and all records wait in the outbox."""
    assert sorted(name for record in found for name in names(record)) == [f"RCNX{n:04d}.JPG" for n in range(frames)]
    assert len({record.id for record in found}) == len(found)
    assert post.outbox.queries.waiting() == [record.id for record in found]


JUMPS = {
    "1970, then set": [0, 1, -1_777_000_000, 3],
    "a year ahead, then back": [0, 31_536_000, 2, 3],
    "back by an hour": [0, 1, -3600, -3599, 4],
    "forth and back by a day": [0, 86_400, 86_401, 1, 2],
}


@pytest.mark.parametrize("seconds", JUMPS.values(), ids=list(JUMPS))
def test_a_clock_that_jumps_within_a_burst_loses_no_frame(tmp_path: Path, seconds: list[float]) -> None:
    """The frames before and after a jump are two sequences; within each, frames are in order of time."""
    post = WatchedTrap(tmp_path)
    found = records(show(post, *(stamped(s) for s in seconds)))
    assert_each_frame_once(found, len(seconds), post)
    for record in found:
        times = [entry.taken_at for entry in record.frames if entry.taken_at is not None]
        assert times == sorted(times)
        assert (record.started_at, record.ended_at) == (times[0], times[-1])


def test_a_step_of_the_time_server_keeps_a_burst_together(tmp_path: Path) -> None:
    """Three seconds back is within the gap, so it is still one burst."""
    post = WatchedTrap(tmp_path)
    [record] = records(show(post, *(stamped(s) for s in (10, 11, 8, 9))))
    assert len(record.frames) == 4


def test_equal_times_are_in_order_of_file_names(tmp_path: Path) -> None:
    """A camera that takes five pictures a second writes the same second five times."""
    post = WatchedTrap(tmp_path)
    [record] = records(show(post, *[stamped(0)] * 5))
    assert names(record) == [f"RCNX{n:04d}.JPG" for n in range(5)]
    assert [entry.n for entry in record.frames] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("step_s", [3600, -3600], ids=["to summer time", "to winter time"])
def test_summer_time_begins_or_ends_within_a_burst(tmp_path: Path, step_s: int) -> None:
    """With local time without an offset there are two sequences, and no frame is lost."""
    post = WatchedTrap(tmp_path)
    found = records(show(post, *(stamped(s) for s in (0, 1, 2 + step_s, 3 + step_s))))
    assert_each_frame_once(found, 4, post)
    assert [len(record.frames) for record in found] == [2, 2]


def test_with_offsets_summer_time_does_not_split_a_burst(tmp_path: Path) -> None:
    """01:59:59+01:00 is a second before 03:00:00+02:00."""
    post = WatchedTrap(tmp_path)
    for n, (text, offset) in enumerate([("01:59:59", "+01:00"), ("03:00:00", "+02:00"), ("03:00:01", "+02:00")]):
        exif, out = Image.Exif(), io.BytesIO()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = f"2026:03:29 {text}"
        details[ExifTags.Base.OffsetTimeOriginal] = offset
        SMALL.save(out, "JPEG", exif=exif)
        post.put(f"IMG_{n}.JPG", out.getvalue())
    [record] = records(post.observe())
    assert (record.started_at, record.ended_at) == tuple(
        datetime(2026, 3, 29, 1, 0, s, tzinfo=UTC) - timedelta(seconds=1) for s in (0, 2)
    )


ABSURD = ["", "0000:00:00 00:00:00", "1970:01:01 00:00:07", "9999:12:31 23:59:59", "2026:02:30 10:00:00", "nonsense",
          "2026:13:01 25:61:61", "    :  :     :  :  ", "2150:01:01 00:00:00", "\0" * 19]  # fmt: skip


@pytest.mark.parametrize("stamp", ABSURD)
def test_one_frame_with_a_missing_or_absurd_time_stays_in_its_burst(tmp_path: Path, stamp: str) -> None:
    """Its file's time places it; the record says that not all of its times are the camera's."""
    post = WatchedTrap(tmp_path)
    [record] = records(show(post, stamped(0), stamped(1), stamp, stamped(3)))
    assert names(record) == [f"RCNX{n:04d}.JPG" for n in range(4)]
    assert record.clock.source == "none"
    assert record.frames[2].taken_at == START + timedelta(seconds=2)


def test_pictures_of_another_folder_join_no_burst_by_the_time_they_were_copied(tmp_path: Path) -> None:
    """A card with times and one without are copied at the same moment: their pictures stay apart."""
    post = WatchedTrap(tmp_path)
    for n in range(3):
        post.put(f"A/{n}.JPG", jpeg(SMALL, stamped(n)))
        post.put(f"B/{n}.JPG", jpeg(SMALL))
    for path in post.folder.rglob("*.JPG"):
        os.utime(path, (5e8, 5e8))
    found = records(post.observe())
    assert sorted((len(record.frames), record.clock.source) for record in found) == [(3, "exif"), (3, "none")]


def test_an_absurd_time_with_an_offset_does_not_end_the_trap(tmp_path: Path) -> None:
    """23:59:59 on the last day of year 9999, twelve hours behind UTC."""
    post, exif, out = WatchedTrap(tmp_path), Image.Exif(), io.BytesIO()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "9999:12:31 23:59:59"
    details[ExifTags.Base.OffsetTimeOriginal] = "-12:00"
    SMALL.save(out, "JPEG", exif=exif)
    post.put("A.JPG", out.getvalue())
    [record] = records(post.observe())
    assert record.clock.source == "none"


def test_a_camera_in_1970_gives_one_burst_by_the_times_of_its_files(tmp_path: Path) -> None:
    """The burst has all frames, and the record says that the times are not the camera's."""
    post = WatchedTrap(tmp_path)
    [record] = records(show(post, *(f"1970:01:01 00:00:{s:02d}" for s in range(4))))
    assert (len(record.frames), record.clock.source) == (4, "none")


@pytest.mark.parametrize("moment_s", [-(2**31), 0.0, 2.0**33])
def test_a_file_of_any_age_is_a_frame(tmp_path: Path, moment_s: float) -> None:
    """Also with a modification time outside of the calendar."""
    post = WatchedTrap(tmp_path)
    os.utime(post.put("A.JPG", jpeg(SMALL)), (moment_s, moment_s))
    [record] = records(post.observe())
    assert record.started_at.tzinfo is not None


def test_a_reboot_without_a_clock_gives_new_ids_and_says_so(tmp_path: Path) -> None:
    """The second boot starts in 1970 again: ids go on, the order of arrival is kept, both boots are named."""
    found: list[SequenceRecord] = []
    for boot in ("boot-1", "boot-2"):
        ticks = itertools.count(1)

        def clock(boot: str = boot, ticks: "itertools.count[int]" = ticks) -> Reading:
            now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))
            return Reading(now, 5.0, boot, synchronised=False)

        post = WatchedTrap(tmp_path, clock=clock)
        for n in range(2):
            path = post.put(f"{boot}-{n}.JPG", jpeg(SMALL))
            os.utime(path, (60.0 + 100 * n, 60.0 + 100 * n))
        found += records(post.observe(2))
        post.outbox.close()
    assert len({record.id for record in found}) == 4
    assert Outbox(tmp_path / "state" / "outbox").queries.waiting() == [record.id for record in found]
    assert [(record.clock.boot_id, record.clock.synchronised) for record in found] == [
        *[("boot-1", False)] * 2,
        *[("boot-2", False)] * 2,
    ]


def test_the_record_says_whether_the_clock_was_synchronised(tmp_path: Path) -> None:
    """It also has the seconds since boot, so that times can be corrected later."""
    post = WatchedTrap(tmp_path, clock=lambda: reading(77.5, "boot-9", synchronised=True))
    [record] = records(show(post, stamped(0)))
    clock = record.clock
    assert (clock.synchronised, clock.boot_id, clock.boottime_s, clock.source) == (True, "boot-9", 77.5, "exif")
