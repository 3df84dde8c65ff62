"""The recorded camera: which files are pictures, and in which order they play."""

import errno
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from PIL import ExifTags, Image
from tests.contract.pictures.render_times import hyperfire, photographed

from uncia_contract.errors import DataError
from uncia_edge.camera import recorded
from uncia_edge.camera.recorded import RecordedCamera


def write(path: Path, taken: str = "") -> None:
    """Write a small JPEG, with an EXIF time if `taken` is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    out = io.BytesIO()
    Image.new("RGB", (32, 24), "grey").save(out, "JPEG", exif=exif)
    path.write_bytes(out.getvalue())


def names(folder: Path) -> list[list[str]]:
    """The frames' names, burst by burst."""
    return [[frame.name for frame in burst.frames] for burst in RecordedCamera(folder).bursts()]


def test_every_folder_with_pictures_is_a_burst(tmp_path: Path) -> None:
    """At any depth; folders without pictures are not."""
    for name in ("a/1.jpg", "b/deep/1.JPG", "b/deep/2.jpeg"):
        write(tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").write_text("x")
    assert [burst.name for burst in RecordedCamera(tmp_path).bursts()] == ["a", "b/deep"]


def test_frames_play_in_the_order_of_exif_then_of_names(tmp_path: Path) -> None:
    """Cameras restart file numbers, but their clocks go on. Equal times, and frames without a time, go by name."""
    write(tmp_path / "b" / "9.jpg", "2026:01:01 00:00:01")
    write(tmp_path / "b" / "2.jpg", "2026:01:01 00:00:02")
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:02")
    write(tmp_path / "b" / "0.jpg")
    assert names(tmp_path) == [["9.jpg", "1.jpg", "2.jpg", "0.jpg"]]


def test_a_folder_is_a_burst_whatever_its_times(tmp_path: Path) -> None:
    """A person sorted them, so a gap of an hour does not cut the burst."""
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:00")
    write(tmp_path / "b" / "2.jpg", "2026:01:01 01:00:00")
    assert names(tmp_path) == [["1.jpg", "2.jpg"]]


def test_a_frame_knows_when_it_was_taken(tmp_path: Path) -> None:
    """Without an offset in EXIF and configuration the time is UTC."""
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:01")
    [burst] = RecordedCamera(tmp_path).bursts()
    assert burst.frames[0].taken_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_a_files_fault_is_named_and_the_others_play(tmp_path: Path) -> None:
    """A power cut leaves a half-written last frame."""
    write(tmp_path / "b" / "1.jpg")
    (tmp_path / "b" / "2.jpg").write_bytes((tmp_path / "b" / "1.jpg").read_bytes()[:200])
    [burst] = RecordedCamera(tmp_path).bursts()
    assert [(failure.file.name, len(burst.frames)) for failure in burst.failures] == [("2.jpg", 1)]


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    """A Mac leaves `._IMG.JPG` beside every picture on a card."""
    write(tmp_path / "b" / "1.jpg")
    (tmp_path / "b" / "._1.jpg").write_bytes(b"resource fork")
    [burst] = RecordedCamera(tmp_path).bursts()
    assert (len(burst.frames), burst.failures) == (1, ())


@pytest.mark.parametrize("group", ["folders", "times"])
def test_deleted_pictures_and_thumbnails_do_not_play(tmp_path: Path, group: Literal["folders", "times"]) -> None:
    """As in a season's folder that a person has sorted."""
    for name in ("b/1", "b/.Trash-1000/files/2", "$RECYCLE.BIN/3", "b/@eaDir/4"):
        write(tmp_path / f"{name}.jpg", "2026:01:01 00:00:00")
    [burst] = RecordedCamera(tmp_path, group=group).bursts()
    assert [frame.path for frame in burst.frames] == [tmp_path / "b" / "1.jpg"]


@pytest.mark.parametrize("folder", ["absent", "."], ids=["no folder", "no pictures"])
def test_nothing_to_play_is_refused(tmp_path: Path, folder: str) -> None:
    """The error says what was expected."""
    with pytest.raises(DataError, match="expected"):
        RecordedCamera(tmp_path / folder)


def test_a_card_is_cut_by_its_times(tmp_path: Path) -> None:
    """Across its sub-folders, in order of time; files that cannot be used are named."""
    for name, taken in (("101/1", "00:10:00"), ("100/8", "00:00:00"), ("100/9", "00:00:05"), ("101/0", "00:00:09")):
        write(tmp_path / f"{name}.jpg", f"2026:01:01 {taken}")
    (tmp_path / "101" / "bad.jpg").write_bytes(b"")
    first, second = RecordedCamera(tmp_path, group="times").bursts()
    assert [frame.name for frame in first.frames] == ["8.jpg", "9.jpg", "0.jpg"]
    assert [frame.name for frame in second.frames] == ["1.jpg"]
    assert [failure.file.name for failure in (*first.failures, *second.failures)] == ["bad.jpg"]


def test_a_card_of_only_bad_files_is_reported(tmp_path: Path) -> None:
    """One burst without frames."""
    (tmp_path / "bad.jpg").write_bytes(b"")
    [burst] = RecordedCamera(tmp_path, group="times").bursts()
    assert (burst.frames, len(burst.failures)) == ((), 1)


CARD = {
    "DCIM/100MEDIA/IMG_0998": "05:30:00",
    "DCIM/100MEDIA/IMG_0999": "05:30:08",
    "DCIM/101MEDIA/IMG_0001": "05:30:13",
}
SECOND_VISIT = {"DCIM/101MEDIA/IMG_0002": "19:00:00"}


def record(folder: Path, pictures: dict[str, str]) -> None:
    """Write JPEGs, each with a time of day."""
    for name, taken in pictures.items():
        write(folder / f"{name}.JPG", f"2026:03:01 {taken}")


@pytest.mark.parametrize("asked", ["", "DCIM"], ids=["the card", "its DCIM"])
def test_a_card_is_cut_into_visits(tmp_path: Path, asked: str) -> None:
    """Two visits in two folders: the first runs from one folder into the next."""
    record(tmp_path, CARD | SECOND_VISIT)
    camera = RecordedCamera(tmp_path / asked)
    assert [len(burst.frames) for burst in camera.bursts()] == [3, 1]
    assert camera.total is None


def test_one_folder_of_a_card_is_cut_into_visits_too(tmp_path: Path) -> None:
    """A folder below DCIM that is named by itself."""
    record(tmp_path, CARD | SECOND_VISIT)
    assert names(tmp_path / "DCIM" / "101MEDIA") == [["IMG_0001.JPG"], ["IMG_0002.JPG"]]


def test_cards_of_stations_stay_apart_and_other_folders_are_bursts(tmp_path: Path) -> None:
    """Two stations took pictures in the same second; a burst that a person sorted is not cut."""
    for station in ("101RIDGE", "pass"):
        record(tmp_path / station, CARD | SECOND_VISIT)
    record(tmp_path / "sorted", {"1": "05:30:00", "2": "19:00:00"})
    found = [(burst.name, len(burst.frames)) for burst in RecordedCamera(tmp_path).bursts()]
    first, second = "DCIM/100MEDIA/IMG_0998.JPG", "DCIM/101MEDIA/IMG_0002.JPG"
    cards = [
        (f"{station}/{name}", count) for station in ("101RIDGE", "pass") for name, count in ((first, 3), (second, 1))
    ]
    assert found == [*cards, ("sorted", 2)]


def test_folders_are_counted_where_each_is_a_burst(tmp_path: Path) -> None:
    """The count is the end of the progress bar."""
    record(tmp_path, {"101RIDGE/1": "05:30:00", "102RIDGE/1": "05:30:01", "b/1": "05:30:00"})
    assert RecordedCamera(tmp_path).total == 3


def test_a_folder_that_cannot_be_listed_is_named_and_the_others_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, or after it was listed."""
    record(tmp_path, {"a/1": "05:30:00", "b/1": "05:30:00", "closed/1": "05:30:00"})
    camera = RecordedCamera(tmp_path)
    refuse_listing(monkeypatch, "closed")
    for one in (camera, RecordedCamera(tmp_path)):
        assert [burst.name for burst in one.bursts()] == ["a", "b"]
        assert one.unreadable == [f"{tmp_path}/closed: cannot be read (Input/output error)"]


def refuse_listing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make listing of folders of that name fail from now on."""
    scandir = os.scandir

    def scan(folder: Path) -> object:
        if Path(folder).name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)


def played(folder: Path, pace: float) -> list[float]:
    """When each burst was handed over, by a clock that advances only while the camera waits."""
    now_s, beats = [0.0], list[int]()
    camera = RecordedCamera(folder, pace=pace, heartbeat=lambda: beats.append(1), clock=lambda: now_s[0])

    def wait(seconds: float) -> bool:
        assert seconds <= 1.0
        now_s[0] += seconds
        return False

    camera._closing.wait = wait  # type: ignore[method-assign,assignment]
    moments = [now_s[0] for _ in camera.bursts()]
    assert len(beats) >= int(moments[-1])
    return moments


@pytest.mark.parametrize(
    ("pace", "moments"),
    [(0, [0, 0, 0, 0]), (1, [0, 100, 100, 130]), (10, [0, 10, 10, 13])],
    ids=["at once", "as recorded", "ten times"],
)
def test_a_recording_plays_at_its_own_pace_or_a_scaled_one(tmp_path: Path, pace: float, moments: list[float]) -> None:
    """With a heartbeat each second. If a time goes back or is missing, there is no wait."""
    for name, taken in (("a", "00:00:00"), ("b", "00:01:40"), ("c", ""), ("d", "00:02:10")):
        write(tmp_path / name / "1.jpg", taken and f"2026:01:01 {taken}")
    assert played(tmp_path, pace) == pytest.approx(moments)


def test_a_recording_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    """At once, not after the hour between two bursts."""
    write(tmp_path / "a" / "1.jpg", "2026:01:01 00:00:00")
    write(tmp_path / "b" / "1.jpg", "2026:01:01 01:00:00")
    beats: list[int] = []
    camera = RecordedCamera(tmp_path, pace=1, heartbeat=lambda: beats.append(1) or camera.close())  # type: ignore[func-returns-value]
    assert len(list(camera.bursts())) == 1


def test_a_folder_of_more_frames_than_a_record_can_name_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces are one event, and each frame is in one of them."""
    monkeypatch.setattr(recorded, "MAX_FRAMES", 3)
    for n in range(7):
        write(tmp_path / f"{n}.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"")
    bursts = list(RecordedCamera(tmp_path).bursts())
    assert [len(burst.frames) for burst in bursts] == [3, 3, 1]
    assert [burst.continues for burst in bursts] == [False, True, True]
    assert [len(burst.failures) for burst in bursts] == [1, 0, 0]


def test_a_card_is_cut_by_its_makers_events_and_by_a_clock_that_was_reset(tmp_path: Path) -> None:
    """A trigger with 30 s between its pictures; two visits by a clock at 1970, whose time is not published."""
    start = datetime(2012, 6, 14, 18, 38, 10)  # noqa: DTZ001 - as a camera tells it
    for number in (1, 2):
        note = hyperfire(start.replace(second=30 * number - 30), 17, number)
        (tmp_path / f"RCNX{number:04}.JPG").write_bytes(photographed({}, note))
        os.utime(tmp_path / f"RCNX{number:04}.JPG", (1e9, 1e9))
    for hour, number in ((0, 3), (0, 4), (5, 5)):
        (tmp_path / f"RCNX{number:04}.JPG").write_bytes(photographed({0x9003: f"1970:01:01 0{hour}:00:0{number}"}))
    found = list(RecordedCamera(tmp_path, group="times").bursts())
    told = {tuple(frame.name[7] for frame in burst.frames): burst.time_source for burst in found}
    assert told == {("1", "2"): "exif", ("3", "4"): "none", ("5",): "none"}
    assert all(frame.taken_at.year > 1990 for burst in found for frame in burst.frames)
