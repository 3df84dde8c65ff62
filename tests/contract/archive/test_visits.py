"""An archive: which trap each folder belongs to, how its pictures form sequences, and the resume log."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from tests.contract.pictures.render_times import hyperfire, photographed

from uncia_contract.archive import visits
from uncia_contract.archive.archive_scores import score_log, score_sequence
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import archive_of, trap_of
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import DataError, StorageError
from uncia_contract.model.manifest import Backbone, Manifest

MANIFEST = Manifest(
    name="tiny",
    version=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    labels=("other", "snow_leopard"),
    positive_labels=("snow_leopard",),
    input_size=(32, 32),
    backbone=Backbone("tiny", "pooled", 2),
    burst_rule=BurstRule(),
    region_rule=RegionRule(),
    decision_rule=DecisionRule(),
    licence="Apache-2.0",
    sha256={},
)


def picture(path: Path, second: int, grey: int = 90) -> None:
    """A small JPEG taken at that second of one minute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0132] = f"2026:03:01 05:30:{second:02d}"
    Image.new("RGB", (64, 48), (grey, grey, grey)).save(path, exif=exif)


def names(folder: Path, trap: str = "") -> list[tuple[str, ...]]:
    """The file names of each sequence of a trap."""
    return [one.names for one in archive_of(folder).sequences(trap, BurstRule(), "me")]


@pytest.mark.parametrize(
    ("folder", "trap"),
    [
        ("", ""),
        ("DCIM/100MEDIA", ""),
        ("ridge/dcim/101_BTCF", "ridge"),
        ("2026/ridge", "2026/ridge"),
        ("101RIDGE", "101RIDGE"),
        ("101RIDGE/DCIM/100MEDIA", "101RIDGE"),
        ("20260301", "20260301"),
        ("DCIM/100MEDIA/ridge", "ridge"),
    ],
)
def test_folders_that_a_camera_makes_are_no_traps(folder: str, trap: str) -> None:
    """#2: only below DCIM; elsewhere such a name may be a station, a date or a serial number."""
    assert trap_of(folder) == trap


def test_a_burst_runs_from_one_camera_folder_into_the_next(tmp_path: Path) -> None:
    """The 999th picture and the first of the next folder, three seconds apart, are one sequence."""
    picture(tmp_path / "ridge/DCIM/100MEDIA/IMG_0999.JPG", 10)
    picture(tmp_path / "ridge/DCIM/101MEDIA/IMG_0001.JPG", 13)
    assert names(tmp_path, "ridge") == [("ridge/DCIM/100MEDIA/IMG_0999.JPG", "ridge/DCIM/101MEDIA/IMG_0001.JPG")]


@pytest.mark.parametrize("stations", [("101RIDGE", "102RIDGE"), ("20260301", "20260302"), ("503A0117", "503A0118")])
def test_stations_named_like_a_cameras_folders_are_two_traps(tmp_path: Path, stations: tuple[str, str]) -> None:
    """Two pictures of the same second in two such folders belong to two traps."""
    for station in stations:
        picture(tmp_path / station / "IMG_0001.JPG", 10)
    assert archive_of(tmp_path).traps == list(stations)


def test_a_card_is_one_trap_whichever_folder_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder above DCIM, as DCIM, and from within DCIM."""
    for folder in ("100MEDIA", "101MEDIA"):
        picture(tmp_path / "DCIM" / folder / "IMG_0001.JPG", 10)
    monkeypatch.chdir(tmp_path / "DCIM")
    assert [archive_of(place).traps for place in (tmp_path, tmp_path / "DCIM", Path())] == [[""]] * 3


@pytest.mark.parametrize(("serials", "traps"), [("AA", 1), ("AB", 2), (("", ""), 2)], ids=["one", "two", "not told"])
def test_without_dcim_folders_of_the_same_camera_are_one_trap(
    tmp_path: Path, serials: tuple[str, str], traps: int
) -> None:
    """A card's folders were copied without DCIM: the camera's serial number joins them, its model does not."""
    for number, serial in enumerate(serials):
        path = tmp_path / f"ridge/10{number}MEDIA/IMG_0001.JPG"
        path.parent.mkdir(parents=True)
        tags = {0x010F: "Maker", 0x0110: "Model", 0x9003: f"2026:03:01 05:30:0{number}", 0xA431: serial}
        path.write_bytes(photographed(tags))
    archive = archive_of(tmp_path)
    assert [len(archive.files(trap)) for trap in archive.traps] == [2 // traps] * traps


def test_two_traps_never_share_a_sequence(tmp_path: Path) -> None:
    """Even for pictures of the same second."""
    picture(tmp_path / "ridge/1.jpg", 10)
    picture(tmp_path / "pass/1.jpg", 10)
    assert (archive_of(tmp_path).traps, names(tmp_path, "ridge")) == (["pass", "ridge"], [("ridge/1.jpg",)])


def test_deleted_pictures_and_thumbnails_are_left_out(tmp_path: Path) -> None:
    """Waste bins of macOS and Windows, and thumbnail folders of storage boxes and desktops, are left out."""
    for name in ("1", ".Trashes/501/2", "$RECYCLE.BIN/S-1-5/3", "ridge/@eaDir/4", "ridge/.thumbnails/5"):
        picture(tmp_path / f"{name}.jpg", 10)
    archive = archive_of(tmp_path)
    assert (archive.pictures, archive.traps, names(tmp_path)) == (1, [""], [("1.jpg",)])


@pytest.mark.parametrize("change", ["content", "touch", "bundle", "preprocessing"])
def test_any_change_makes_another_sequence(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """#4: the key changes, so that it is scored again."""
    picture(tmp_path / "1.jpg", 10)
    before = archive_of(tmp_path).sequences("", BurstRule(), "me")[0].key
    if change == "content":
        (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes() + b" ")
    if change == "touch":
        os.utime(tmp_path / "1.jpg", ns=(1, 1))
    if change == "preprocessing":
        monkeypatch.setattr(visits, "RULE", "bilinear 2")
    after = archive_of(tmp_path).sequences("", BurstRule(), "you" if change == "bundle" else "me")[0].key
    assert before != after


@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
def test_an_archive_without_pictures_is_refused(tmp_path: Path, there: bool) -> None:
    """One line names the folder."""
    folder = tmp_path / "archive"
    if there:
        folder.mkdir()
    with pytest.raises(DataError, match=r"archive: (no pictures|not there); expected"):
        archive_of(folder)


class Constant:
    """A classifier that gives every picture the same score."""

    manifest = MANIFEST

    def score(self, image: object) -> float:
        return 0.75


def test_unreadable_pictures_are_recorded_with_their_reason(tmp_path: Path) -> None:
    """A truncated picture beside a good one, and a file that is not a picture."""
    for number in (1, 2):
        picture(tmp_path / f"{number}.jpg", 10 + number)
    (tmp_path / "2.jpg").write_bytes((tmp_path / "2.jpg").read_bytes()[:-400])
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    archive = archive_of(tmp_path)
    scored = [
        picture
        for sequence in archive.sequences("", BurstRule(), "me")
        for picture in score_sequence(sequence, archive.place, Constant())
    ]
    reasons = {picture.file: (picture.failure or "").split(":")[0] for picture in scored}
    assert reasons == {"1.jpg": "", "2.jpg": "truncated", "3.jpg": "not a JPEG"}


LINES = {f"{number:032x}": (ScoredPicture(f"{number}.jpg", score=number / 10),) for number in range(3)}


def test_a_damaged_entry_is_reported_with_the_remedy(tmp_path: Path) -> None:
    """Damaged bytes, or an entry of another version."""
    key = f"{7:032x}"
    (tmp_path / "log").write_text(f'["{key}", [{{"file": 5}}]]\n')
    with score_log(tmp_path / "log") as log, pytest.raises(StorageError, match=r"damaged entry .*delete the file"):
        log.read(key)


def test_a_log_keeps_its_complete_lines_and_continues_after_them(tmp_path: Path) -> None:
    """An incomplete last line is cut off; the next entry is complete."""
    first, second, third = LINES
    with score_log(tmp_path / "log") as log:
        log.add(first, LINES[first])
        log.add(second, LINES[second])
    with (tmp_path / "log").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 5)
    with score_log(tmp_path / "log") as log:
        assert (first in log, second in log) == (True, False)
        log.add(third, LINES[third])
    with score_log(tmp_path / "log") as log:
        assert (log.read(first), log.read(third)) == (LINES[first], LINES[third])


def test_a_sequence_that_could_not_be_read_is_done_again(tmp_path: Path) -> None:
    """A read error may be temporary; a truncated file is not read again."""
    first, second, _ = LINES
    with score_log(tmp_path / "log") as log:
        log.add(first, (ScoredPicture("a.jpg", failure="cannot be read: Input/output error"),))
        log.add(second, (ScoredPicture("b.jpg", failure="truncated"),))
    with score_log(tmp_path / "log") as log:
        assert (first in log, second in log) == (False, True)
        log.add(first, LINES[first])
        assert log.read(first) == LINES[first]


def test_a_card_of_makers_notes_is_cut_by_their_events(tmp_path: Path) -> None:
    """Pictures with a Reconyx note and no EXIF time; one event has 20 s between its pictures."""
    start = datetime(2012, 6, 14, 18, 38, 10)  # noqa: DTZ001 - as a camera tells it
    shots = [(17, 0), (17, 20), (17, 40), (18, 300), (18, 301)]
    for number, (event, second) in enumerate(shots, start=1):
        note = hyperfire(start + timedelta(seconds=second), event, 1)
        path = tmp_path / f"ridge/DCIM/100RECNX/RCNX{number:04}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photographed({}, note))
    assert [len(one) for one in names(tmp_path, "ridge")] == [3, 2]


def test_a_clock_of_1970_cuts_and_is_not_published(tmp_path: Path) -> None:
    """Its pictures form one sequence; their time is unknown."""
    for number in (1, 2):
        (tmp_path / f"IMG_{number:04}.JPG").write_bytes(photographed({0x9003: f"1970:01:01 00:00:0{number}"}))
    (sequence,) = archive_of(tmp_path).sequences("", BurstRule(), "me")
    assert sequence.times == (None, None)
