"""The recorded camera: which files are pictures, and in which order they play."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from uncia_contract.errors import DataError
from uncia_edge.recorded import RecordedCamera


def write(path: Path, taken: str = "") -> None:
    """A small JPEG, with an EXIF time where one is given."""
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
    """However deep it lies; folders without pictures are none."""
    for name in ("a/1.jpg", "b/deep/1.JPG", "b/deep/2.jpeg"):
        write(tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").write_text("x")
    assert [burst.name for burst in RecordedCamera(tmp_path).bursts()] == ["a", "b/deep"]


def test_frames_play_in_the_order_of_exif_then_of_names(tmp_path: Path) -> None:
    """Cameras count files anew; the clock goes on. Ties, and frames without a time, by name."""
    write(tmp_path / "b" / "9.jpg", "2026:01:01 00:00:01")
    write(tmp_path / "b" / "2.jpg", "2026:01:01 00:00:02")
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:02")
    write(tmp_path / "b" / "0.jpg")
    assert names(tmp_path) == [["9.jpg", "1.jpg", "2.jpg", "0.jpg"]]


def test_a_folder_is_a_burst_whatever_its_times(tmp_path: Path) -> None:
    """Someone has sorted them: an hour's gap does not cut."""
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:00")
    write(tmp_path / "b" / "2.jpg", "2026:01:01 01:00:00")
    assert names(tmp_path) == [["1.jpg", "2.jpg"]]


def test_a_frame_knows_when_it_was_taken(tmp_path: Path) -> None:
    """Without an offset in EXIF and configuration the time is UTC."""
    write(tmp_path / "b" / "1.jpg", "2026:01:01 00:00:01")
    [burst] = RecordedCamera(tmp_path).bursts()
    assert burst.frames[0].taken_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_a_files_fault_is_named_and_the_others_play(tmp_path: Path) -> None:
    """A half-written last frame is what a power cut leaves."""
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


@pytest.mark.parametrize("folder", ["absent", "."], ids=["no folder", "no pictures"])
def test_nothing_to_play_is_refused(tmp_path: Path, folder: str) -> None:
    """One line that says what was expected."""
    with pytest.raises(DataError, match="expected"):
        RecordedCamera(tmp_path / folder)
