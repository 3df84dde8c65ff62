"""A card has the same visits for each command: both `score`, `uncia-simulate`, and a trap that watches it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.pictures.render_times import photographed
from tests.end_to_end.conftest import STARTER

from uncia_contract.archive.visits import archive_of
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.model.bundle import read_bundle
from uncia_edge.camera.recorded import RecordedCamera
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.cli.card import Card

ORIGINAL, DIGITIZED, UNIQUE = 0x9003, 0x9004, 0xA420
Visits = list[list[str]]


def on_a_card(folder: Path) -> Visits:
    """Of `uncia-trap score`."""
    found = Card([folder]).sequences(read_bundle(STARTER))
    return [[Path(name).stem for name in one.sequence.names] for one in found]


def in_an_archive(folder: Path) -> Visits:
    """Of `uncia-train score` and `features`."""
    archive = archive_of(folder)
    return [
        [Path(name).stem for name in one.names]
        for trap in archive.traps
        for one in archive.sequences(trap, BurstRule(), "me")
    ]


def replayed(folder: Path) -> Visits:
    """Of `uncia-simulate` and a recorded camera."""
    return [[frame.path.stem for frame in burst.frames] for burst in RecordedCamera(folder).bursts()]


def watched(folder: Path) -> Visits:
    """Of a trap beside the card."""
    now_s, found = [0.0], Visits()

    def clock() -> float:
        now_s[0] += 0.25
        if now_s[0] > 60:
            camera.close()
        return now_s[0]

    settings = WatchSettings("polling", settle_s=0.0, quiet_s=1.0)
    ledger = folder.parent / "state" / "watched.jsonl"
    camera = WatchedCamera(folder, ledger, BurstRule(), lambda hashes: False, watch=settings, clock=clock)
    camera._watcher._listen = lambda timeout_s: {}  # type: ignore[method-assign]
    for burst in camera.bursts():
        found.append([frame.path.stem for frame in burst.frames])
    return found


COMMANDS = pytest.mark.parametrize("visits", [on_a_card, in_an_archive, replayed, watched])


def numbered(first: int, *times: str) -> dict[str, dict[int, object]]:
    """A camera's files from that number on, each with its DateTimeOriginal."""
    return {f"IMG_{first + n:04}": {ORIGINAL: time} for n, time in enumerate(times)}


DAY = "2026:03:01"
CARDS: dict[str, tuple[dict[str, dict[int, object]], list[int]]] = {
    "hour 24": (numbered(1, f"{DAY} 23:59:58", f"{DAY} 24:00:01", f"{DAY} 24:04:20"), [2, 1]),
    "second 60": (numbered(1, f"{DAY} 05:30:52", f"{DAY} 05:30:60", f"{DAY} 05:31:05"), [3]),
    "the first tag that is a time": (
        {"A": {ORIGINAL: "0000:00:00 00:00:00", DIGITIZED: f"{DAY} 05:30:00"},
         "B": {ORIGINAL: f"{DAY} 05:30:04"}}, [2]),
    "two visits from 1970 on": (
        numbered(1, *(f"1970:01:01 00:00:0{n}" for n in (0, 1, 3)))
        | numbered(40, *(f"1970:01:01 00:00:0{n}" for n in (1, 2, 4))), [3, 3]),
    "two visits from 2000 on": (
        numbered(1, "2000:01:01 00:00:00", "2000:01:01 00:00:02")
        | numbered(3, "2000:01:01 00:00:01", "2000:01:01 00:00:03"), [2, 2]),
    "the hour that comes twice": (
        numbered(1, "2026:10:25 02:10:00", "2026:10:25 02:10:02") | numbered(3, "2026:10:25 02:50:00")
        | numbered(4, "2026:10:25 02:10:01", "2026:10:25 02:10:03"), [2, 1, 2]),
    "9999 and 1 in one second": ({name: {ORIGINAL: f"{DAY} 05:30:00"} for name in ("IMG_0001", "IMG_9999")}, [2]),
    "dates without a time": (numbered(1, DAY, DAY), [1, 1]),
}  # fmt: skip


@COMMANDS
@pytest.mark.parametrize("card", CARDS)
def test_a_cards_visits(tmp_path: Path, visits: Callable[[Path], Visits], card: str) -> None:
    """As many pictures in each as a person would count, whoever looks."""
    pictures, expected = CARDS[card]
    lay(tmp_path / "card" / "DCIM" / "100MEDIA", pictures)
    found = visits(tmp_path / "card")
    assert sorted(map(len, found)) == sorted(expected)
    assert sorted(name for visit in found for name in visit) == sorted(pictures)


@COMMANDS
def test_numbers_that_wrap_keep_their_order(tmp_path: Path, visits: Callable[[Path], Visits]) -> None:
    """Within one second, 9999 comes before 1."""
    lay(tmp_path / "card" / "DCIM" / "100MEDIA", CARDS["9999 and 1 in one second"][0])
    assert visits(tmp_path / "card") == [["IMG_9999", "IMG_0001"]]


def lay(folder: Path, pictures: dict[str, dict[int, object]]) -> None:
    """These JPEGs, copied to the card an hour apart."""
    folder.mkdir(parents=True)
    for n, (name, tags) in enumerate(pictures.items()):
        (folder / f"{name}.JPG").write_bytes(photographed(tags | {UNIQUE: name}))
        os.utime(folder / f"{name}.JPG", (1.75e9 + 3600 * n,) * 2)


@pytest.mark.parametrize("visits", [on_a_card, in_an_archive, replayed])
def test_stations_called_like_a_cameras_folders_share_no_visit(
    tmp_path: Path, visits: Callable[[Path], Visits]
) -> None:
    """Two of them saw something in the same second."""
    for station in ("101RIDGE", "102RIDGE"):
        lay(tmp_path / "card" / station, {f"{station}_1": {ORIGINAL: f"{DAY} 05:30:00"}})
    assert visits(tmp_path / "card") == [["101RIDGE_1"], ["102RIDGE_1"]]


NEVER_ENTERED = (".Trash-1000/files", ".Trashes/501", "$RECYCLE.BIN/S-1-5", ".dtrash", "@eaDir", ".thumbnails")
NEVER_ENTERED += ("System Volume Information", ".hidden", "lost+found")


@COMMANDS
def test_folders_of_deleted_pictures_and_thumbnails_are_never_entered(
    tmp_path: Path, visits: Callable[[Path], Visits]
) -> None:
    """At the card's root and below its folders."""
    lay(tmp_path / "card" / "DCIM" / "100MEDIA", numbered(1, f"{DAY} 05:30:00"))
    for n, name in enumerate(NEVER_ENTERED):
        lay(tmp_path / "card" / name, numbered(100 + n, f"{DAY} 06:30:00"))
        lay(tmp_path / "card" / "DCIM" / "100MEDIA" / name, numbered(200 + n, f"{DAY} 07:30:00"))
    assert visits(tmp_path / "card") == [["IMG_0001"]]
