"""The camera `watched`: complete files, the end of bursts, restarts without losses or duplicates."""

import io
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from tests.edge.scene import WatchedTrap

from support.records import make_record
from uncia_contract.bursts.frames import BurstRule, Frame
from uncia_contract.errors import DataError
from uncia_edge.camera import watched
from uncia_edge.camera.burst_assembler import BurstAssembler
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.camera.folder_watcher import FolderWatcher, Mode, file_system, key_of
from uncia_edge.camera.seen_files import SeenFiles
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.outbox.store import Outbox

START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
QUICK = WatchSettings(settle_s=0.05, quiet_s=0.1)


def jpeg(shade: int, taken_at: datetime | None = None) -> bytes:
    image, exif = Image.new("RGB", (16, 16), (shade % 256, 0, 0)), Image.Exif()
    if taken_at is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken_at:%Y:%m:%d %H:%M:%S}"
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


class Place:
    """A watched folder and its ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder / "DCIM", folder / "state" / "watched.jsonl"
        self.folder.mkdir()

    def put(self, name: str, seconds: float, shade: int = 0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(shade or int(seconds), START + timedelta(seconds=seconds)))
        return path

    def camera(self, taken: Callable[..., bool] = lambda _: False, watch: WatchSettings = QUICK) -> WatchedCamera:
        return WatchedCamera(self.folder, self.ledger, BurstRule(), taken, watch=watch)

    def bursts(self, count: int, **options: object) -> list[ArrivedBurst]:
        """The next `count` bursts; then the camera is closed."""
        camera = self.camera(**options)  # type: ignore[arg-type]
        found: list[ArrivedBurst] = []
        for burst in camera.bursts():
            found.append(burst)
            if len(found) == count:
                camera.close()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def names(bursts: list[ArrivedBurst]) -> list[list[str]]:
    return [[frame.name for frame in burst.frames] for burst in bursts]


@pytest.mark.parametrize("mode", ["inotify", "polling"])
def test_files_of_a_cameras_sub_folders_form_bursts(place: Place, mode: str) -> None:
    """Folders such as DCIM/100RECNX are searched; the frames' times say which belong together."""
    place.put("100RECNX/A1.JPG", 0)
    place.put("100RECNX/A2.JPG", 2)
    place.put("101RECNX/B1.JPG", 100)
    found = place.bursts(2, watch=WatchSettings(mode, 0.05, 0.1))
    assert names(found) == [["A1.JPG", "A2.JPG"], ["B1.JPG"]]


@pytest.mark.parametrize("mode", ["inotify", "polling"])
def test_a_folder_made_while_watching_is_watched(place: Place, mode: str) -> None:
    """A camera starts 102RECNX in the middle of the night."""
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), mode, settle_s=0.05)  # type: ignore[arg-type]
    watcher.ready(0.05)
    path = place.put("102RECNX/C1.JPG", 0)
    assert until(lambda: watcher.ready(0.05)) == [path]
    watcher.close()


@pytest.mark.parametrize("mode", ["inotify", "polling"])
def test_deleted_pictures_and_thumbnails_never_arrive(place: Place, mode: Mode) -> None:
    """They were there before, or are put there while the folder is watched."""
    place.put(".Trashes/501/A1.JPG", 0)
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), mode, settle_s=0.05)
    assert watcher.ready(0) == []
    for name in ("$RECYCLE.BIN/A2.JPG", "100RECNX/@eaDir/A3.JPG", ".Trashes/501/A4.JPG"):
        place.put(name, 0)
    path = place.put("100RECNX/A5.JPG", 0)
    assert until(lambda: watcher.ready(0.05)) == [path]
    watcher.close()
    assert not watcher.is_waiting()


def until(attempt: Callable[[], list[Path]], within_s: float = 70.0) -> list[Path]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := attempt():
            return found
    return []


def test_a_file_counts_as_soon_as_it_is_closed(place: Place) -> None:
    """With inotify the camera does not wait for it to settle."""
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "inotify", settle_s=1000)
    watcher.ready(0)
    path = place.put("A1.JPG", 0)
    assert until(lambda: watcher.ready(0.1), 10) == [path]
    watcher.close()


def test_a_file_renamed_in_counts(place: Place, tmp_path: Path) -> None:
    """Some programs write under another name and rename the file."""
    aside = place.folder / "A1.JPG.part"
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "inotify", settle_s=1000)
    aside.write_bytes(jpeg(1))
    aside.rename(place.folder / "A1.JPG")
    assert until(lambda: watcher.ready(0.1), 10) == [place.folder / "A1.JPG"]
    watcher.close()


def test_a_growing_file_waits(place: Place) -> None:
    """Half a picture that still grows is neither a failure nor a frame until it has settled."""
    now_s = [0.0]
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "polling", 2.0, lambda: now_s[0])
    content, path = jpeg(1), place.folder / "A1.JPG"
    for part in range(1, 6):
        path.write_bytes(content[: part * len(content) // 5])
        now_s[0] += 1.9
        assert watcher.ready(0) == []
    now_s[0] += 2.1
    assert watcher.ready(0) == [path]


def test_files_that_arrived_while_the_trap_was_off_are_found(place: Place) -> None:
    """A restart scans the folder and hands over only new files."""
    place.put("A1.JPG", 0)
    place.bursts(1)
    place.put("A2.JPG", 200)
    assert names(place.bursts(1)) == [["A2.JPG"]]


def test_a_burst_that_was_not_finished_comes_again(place: Place) -> None:
    """The trap was killed while it scored the burst, and nothing was stored: nothing is lost."""
    place.put("A1.JPG", 0)
    assert len(list(islice(place.camera().bursts(), 1))) == 1
    assert names(place.bursts(1)) == [["A1.JPG"]]


def test_a_burst_that_was_taken_does_not_come_again(place: Place, tmp_path: Path) -> None:
    """The trap was killed after the outbox stored it and before the ledger said so: the outbox is asked."""
    path = place.put("A1.JPG", 0)
    abandoned = place.camera().bursts()
    next(abandoned)
    outbox = Outbox(tmp_path / "outbox")
    outbox.add(make_record("s1", [path.read_bytes()]), [path])
    place.put("A2.JPG", 200)
    assert names(place.bursts(1, taken=outbox.queries.has_taken)) == [["A2.JPG"]]


def test_a_ledger_cut_short_by_a_power_cut_is_still_read(place: Place) -> None:
    """Its last line may be incomplete; the lines before it count."""
    one, two = place.put("A1.JPG", 0), place.put("A2.JPG", 100)
    ledger = SeenFiles(place.ledger, place.folder)
    ledger.finish([key_of(one, place.folder)])
    with place.ledger.open("a") as stream:
        stream.write('["done", [["A2.JPG", 12')
    again = SeenFiles(place.ledger, place.folder)
    assert (key_of(one, place.folder) in again, key_of(two, place.folder) in again) == (True, False)


def test_pieces_of_a_visit_that_does_not_end_share_an_event(tmp_path: Path) -> None:
    """Seventy pictures one second apart: three sequences of at most thirty, one event with the first one's id."""
    post = WatchedTrap(tmp_path)
    for n in range(70):
        post.put(f"A{n:03d}.JPG", jpeg(n, START + timedelta(seconds=n)))
    records = [one.record for one in post.observe() if one.record is not None]
    assert [len(record.frames) for record in records] == [30, 30, 10]
    assert {record.event for record in records} == {records[0].id}


def test_a_changed_file_is_a_new_file(place: Place) -> None:
    """Cameras number files up to 9999 and start again."""
    path = place.put("A1.JPG", 0)
    place.bursts(1)
    path.write_bytes(jpeg(200, START + timedelta(days=3)))
    assert names(place.bursts(1)) == [["A1.JPG"]]


@pytest.mark.heavy
def test_bursts_of_a_whole_card_are_handed_over_while_it_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bursts come before the last file is read, none is split, each file gives a heartbeat."""
    for n in range(200):
        place.put(f"100RECNX/A{n:04d}.JPG", 100 * (n // 4) + n % 4)
    read: list[Path] = []
    real = watched.read_frame
    monkeypatch.setattr(watched, "read_frame", lambda path, zone: (read.append(path), real(path, zone))[1])
    beats: list[int] = []
    camera = WatchedCamera(
        *(place.folder, place.ledger, BurstRule(), lambda _: False),
        watch=QUICK,
        heartbeat=lambda: beats.append(len(read)),
    )
    found, after = [], []
    for burst in camera.bursts():
        found.append(len(burst.frames))
        after.append(len(read))
        if len(found) == 50:
            camera.close()
    assert found == [4] * 50
    assert after[0] < 130
    assert set(range(200)) <= set(beats)


def test_a_full_card_gives_heartbeats_while_it_is_walked(place: Place) -> None:
    """On a slow share the scan alone takes longer than the watchdog waits."""
    for n in range(200):
        place.put(f"{n // 100}/A{n:04d}.JPG", n)
    beats: list[int] = []
    seen = SeenFiles(place.ledger, place.folder)
    watcher = FolderWatcher(place.folder, seen, "polling", heartbeat=lambda: beats.append(1))
    list(watcher._pictures())
    walked = len(beats)
    watcher.ready(0)
    assert (walked >= 12, len(beats) - 2 * walked >= 12) == (True, True)


@pytest.mark.heavy
@pytest.mark.parametrize("quiet_s", [0.1, 0.0], ids=["frames still gather", "all bursts have ended"])
def test_a_stopped_trap_leaves_a_card_at_once(place: Place, quiet_s: float) -> None:
    """Not after hours of reading and scoring; the next start finds the rest."""
    for n in range(200):
        place.put(f"A{n:04d}.JPG", 100 * n)
    camera = place.camera(watch=WatchSettings("auto", 0.05, quiet_s))
    seen = [next(bursts := camera.bursts())]
    camera.close()
    seen += list(bursts)
    assert len(seen) == 1
    assert len(place.bursts(199)) == 199


def test_a_file_that_was_taken_too_early_comes_again_when_it_is_whole(place: Place) -> None:
    """Its writer paused for longer than `settle_s`: half a picture is named as a failure, the whole one is a frame."""
    path = place.put("A1.JPG", 0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    camera, seen = place.camera(), list[ArrivedBurst]()
    for burst in camera.bursts():
        seen.append(burst)
        if len(seen) == 1:
            path.write_bytes(content)  # while the trap has the failure in hand
        else:
            camera.close()
    assert names(seen) == [[], ["A1.JPG"]]
    assert [len(burst.failures) for burst in seen] == [1, 0]


def test_a_card_that_is_out_at_the_start_does_not_come_again_as_a_whole(place: Place) -> None:
    """If it is mounted late, its files are still known as handed over, after many restarts."""
    place.put("A1.JPG", 0)
    place.bursts(1)
    aside = place.folder.rename(place.folder.with_name("aside"))
    place.folder.mkdir()
    for _ in range(3):
        place.camera()
    place.folder.rmdir()
    aside.rename(place.folder)
    place.put("A2.JPG", 200)
    assert names(place.bursts(1)) == [["A2.JPG"]]


def test_a_burst_that_was_taken_is_known_when_its_card_comes_late(place: Place, tmp_path: Path) -> None:
    """The trap was killed after the outbox stored it, and the card is out when the trap starts again."""
    path = place.put("A1.JPG", 0)
    next(place.camera().bursts())
    outbox = Outbox(tmp_path / "outbox")
    outbox.add(make_record("s1", [path.read_bytes()]), [path])
    aside = path.rename(tmp_path / "aside")
    camera = place.camera(outbox.queries.has_taken)
    aside.rename(path)
    place.put("A2.JPG", 200)
    assert next(burst.frames[0].name for burst in camera.bursts()) == "A2.JPG"


def test_the_ledger_forgets_what_is_gone_but_for_the_newest(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger does not grow for years, and not while the trap runs."""
    monkeypatch.setattr("uncia_edge.camera.seen_files.GONE_KEPT", 3)
    monkeypatch.setattr("uncia_edge.camera.seen_files.REWRITTEN_AFTER", 10)
    ledger, keys = SeenFiles(place.ledger, place.folder), []
    for n in range(100):
        path = place.put(f"A{n:03d}.JPG", n)
        keys.append(key_of(path, place.folder))
        ledger.offer(keys[-1:])
        ledger.finish(keys[-1:])
        if n < 99:
            path.unlink()
    again = SeenFiles(place.ledger, place.folder)
    assert [key in again for key in keys] == [False] * 96 + [True] * 4
    assert len(place.ledger.read_text().splitlines()) == 4


def test_what_is_gone_when_it_is_finished_need_not_be_remembered(place: Place) -> None:
    """The Pi's own pictures are deleted from the spool before that, so the ledger keeps nothing of them."""
    path = place.put("A1.JPG", 0)
    ledger, key = SeenFiles(place.ledger, place.folder), key_of(path, place.folder)
    ledger.offer([key])
    path.unlink()
    ledger.finish([key])
    again = SeenFiles(place.ledger, place.folder)
    assert (key in ledger, key in again, again.offered, place.ledger.read_text()) == (False, False, [], "")


def test_unreadable_files_are_failures_of_the_burst_beside_them(place: Place) -> None:
    """One bad file and one good one: the burst has one frame and names one failure."""
    place.put("A1.JPG", 0)
    (place.folder / "A2.JPG").write_bytes(b"")
    burst = place.bursts(1)[0]
    assert names([burst]) == [["A1.JPG"]]
    assert [failure.file.name for failure in burst.failures] == ["A2.JPG"]


def test_frames_without_exif_take_the_time_of_their_file(place: Place) -> None:
    """`time_source` says that these times are not from EXIF."""
    for n in range(3):
        path = place.folder / f"N{n}.JPG"
        path.write_bytes(jpeg(n))
        os.utime(path, (1000 + n, 1000 + n))
    burst = place.bursts(1)[0]
    assert (len(burst.frames), burst.time_source) == (3, "none")


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    """The error names the folder and says what was expected."""
    with pytest.raises(DataError, match="no such folder"):
        WatchedCamera(tmp_path / "nowhere", tmp_path / "ledger", BurstRule(), lambda _: False)


def test_the_kind_of_file_system_is_known() -> None:
    """It decides between inotify and polling."""
    assert file_system(Path("/proc")) == "proc"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p"])
def test_a_network_share_is_polled(place: Place, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """There inotify reports only what this machine writes."""
    monkeypatch.setattr("uncia_edge.camera.folder_watcher.file_system", lambda folder: kind)
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), settle_s=0.05)
    assert not watcher.by_inotify
    path = place.put("100RECNX/A1.JPG", 0)
    assert until(lambda: watcher.ready(0.05), 10) == [path]


def test_a_folder_that_goes_away_is_reported_once_and_read_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """A share is offline for a night: one log line, one problem in the state, and later its pictures."""
    now_s = [0.0]
    camera = WatchedCamera(place.folder, place.ledger, BurstRule(), lambda _: False,
                           watch=WatchSettings("polling", 1.0, 1.0), clock=lambda: now_s[0])  # fmt: skip
    camera._watcher._listen = lambda timeout_s: {}  # type: ignore[method-assign]
    place.folder.rmdir()
    for _ in range(5):
        now_s[0] += 2.0
        assert camera._watcher.ready(0) == []
    assert camera.problems == [f"no camera: {place.folder}: No such file or directory"]
    place.folder.mkdir()
    path = place.put("A1.JPG", 0)
    assert until(lambda: (now_s.append(now_s.pop() + 2.0), camera._watcher.ready(0))[1], 10) == [path]
    assert camera.problems == []
    assert [record.levelname for record in caplog.records if "watched folder" in record.message] == ["ERROR"]


def test_a_local_disk_uses_inotify(place: Place) -> None:
    """The default."""
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder))
    assert watcher.by_inotify
    watcher.close()


def test_without_inotify_the_folder_is_polled(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With no watches left or no inotify in the kernel: logged once; with mode `inotify` it is an error."""

    def refuse(observer: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("uncia_edge.camera.folder_watcher.Observer.start", refuse)
    ledger = SeenFiles(place.ledger, place.folder)
    watcher = FolderWatcher(place.folder, ledger, settle_s=0.05)
    assert "no inotify ([Errno 28] inotify watch limit reached)" in caplog.text
    path = place.put("A1.JPG", 0)
    assert until(lambda: watcher.ready(0.05), 10) == [path]
    with pytest.raises(OSError, match="limit reached"):
        FolderWatcher(place.folder, ledger, "inotify")


def frames(seconds: Iterator[float] | list[float]) -> list[Frame]:
    return [Frame(f"f{n:05d}", Path(f"/f{n:05d}"), START + timedelta(seconds=s)) for n, s in enumerate(seconds)]


def test_a_burst_is_open_while_frames_arrive() -> None:
    """It ends when no frame arrives for a while, whatever its EXIF times."""
    assembler = BurstAssembler(BurstRule(), quiet_s=12)
    one, two = frames([0, 5])
    assembler.add([one], 0.0)
    assembler.add([two], 11.0)
    assert list(assembler.due(20.0)) == []
    assert [len(burst.frames) for burst in assembler.due(23.0)] == [2]


def test_a_burst_that_never_ends_is_handed_over_in_pieces() -> None:
    """An hour of wind: pieces by count and age, each continues the one before, and memory is bounded."""
    assembler = BurstAssembler(BurstRule(max_frames=10), quiet_s=12)
    pieces, most = [], 0
    for second, frame in enumerate(frames([float(n) for n in range(3600)])):
        assembler.add([frame], float(second))
        pieces += assembler.due(float(second))
        most = max(most, len(assembler._open))
    pieces += assembler.due(10_000.0)
    assert sum(len(piece.frames) for piece in pieces) == 3600
    assert max(len(piece.frames) for piece in pieces) == 10
    assert [piece.continues for piece in pieces] == [False] + [True] * (len(pieces) - 1)
    assert most <= 40


def test_clock_jumps_within_a_burst_lose_no_frame() -> None:
    """The clock jumps to 1970, back and a year ahead: each frame is handed over once, in some burst."""
    assembler = BurstAssembler(BurstRule(), quiet_s=12)
    times = [0.0, 1.0, -1e9, -1e9 + 1, 3e7, 2.0, 2.0]
    for frame in frames(times):
        assembler.add([frame], 0.0)
    bursts = list(assembler.due(100.0))
    assert sorted(frame.name for burst in bursts for frame in burst.frames) == [f"f{n:05d}" for n in range(7)]
    assert [len(burst.frames) for burst in bursts] == [2, 4, 1]


def test_a_burst_that_could_not_be_stored_comes_again_and_others_go_on(place: Place) -> None:
    """After a minute, and also after a restart; bursts that come meanwhile are not delayed."""
    place.put("A1.JPG", 0)
    place.put("A2.JPG", 200)
    camera = place.camera()
    ahead = [0.0]
    camera._clock = lambda: time.monotonic() + ahead[0]
    seen: list[str] = []
    for burst in camera.bursts():
        seen.append(burst.frames[0].name)
        if len(seen) == 1:
            camera.retry_later()
        elif len(seen) == 2:
            assert camera.unstored == 1
            ahead[0] = 61.0
        else:
            camera.retry_later()
            camera.close()
    assert seen == ["A1.JPG", "A2.JPG", "A1.JPG"]
    assert names(place.bursts(1)) == [["A1.JPG"]]


def test_a_frame_that_went_away_while_its_burst_waited_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card was pulled, or another program deleted a file: the other frames are stored."""
    place.put("A1.JPG", 0)
    gone = place.put("A2.JPG", 1)
    monkeypatch.setattr(watched, "RETRY_S", 0.0)
    camera, seen = place.camera(), list[ArrivedBurst]()
    for burst in camera.bursts():
        seen.append(burst)
        if len(seen) == 1:
            camera.retry_later()
            gone.unlink()
        else:
            camera.close()
    assert names(seen) == [["A1.JPG", "A2.JPG"], ["A1.JPG"]]
    assert [failure.file.name for failure in seen[1].failures] == ["A2.JPG"]


def test_a_ledger_that_cannot_be_written_is_kept_in_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are written with the next entry, after the half line that the card may have taken."""
    one, two = place.put("A1.JPG", 0), place.put("A2.JPG", 100)
    ledger = SeenFiles(place.ledger, place.folder)
    real = os.fsync
    with monkeypatch.context() as patched:
        patched.setattr(
            "uncia_edge.camera.seen_files.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left"))
        )
        ledger.finish([key_of(one, place.folder)])
    with place.ledger.open("a") as stream:
        stream.write('["done", [["half')
    assert os.fsync is real
    ledger.finish([key_of(two, place.folder)])
    again = SeenFiles(place.ledger, place.folder)
    assert (key_of(one, place.folder) in again, key_of(two, place.folder) in again) == (True, True)


def test_an_unreadable_sub_folder_hides_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pictures of the other folders come, and the log names the unreadable one once."""
    scandir, closed = os.scandir, place.folder / "101RECNX"
    closed.mkdir()
    expected = [place.put(name, n) for n, name in enumerate(("A.JPG", "100RECNX/B.JPG", "zz/C.JPG"))]

    def scan(folder: Path) -> object:
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "polling", settle_s=0.0)
    found = [path for _ in range(2) for path in watcher.ready(0)]
    assert (sorted(found), watcher.away) == (sorted(expected), None)
    assert caplog.text.count("101RECNX: Permission denied") == 1


def test_broken_and_circular_links_are_skipped(place: Place) -> None:
    """To itself, to nothing, to the folder above."""
    path = place.put("100RECNX/A.JPG", 0)
    for name, target in (("self.jpg", "self.jpg"), ("none.jpg", "/none/there.jpg"), ("above", str(place.folder))):
        (place.folder / name).symlink_to(target)
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "polling", settle_s=0.0)
    assert ([found for _ in range(2) for found in watcher.ready(0)], watcher.away) == ([path], None)


@pytest.mark.parametrize("mode", ["inotify", "polling"])
def test_a_file_may_have_any_name(place: Place, mode: Mode) -> None:
    """Invalid UTF-8, a line break, quotes: such files are handed over once."""
    names = [b"A\xff\xfe.JPG", b"B\n\r.JPG", b"C\"'\\.JPG", "D\u2028.JPG".encode()]
    paths = [place.put(os.fsdecode(name), n) for n, name in enumerate(names)]
    camera = place.camera(watch=WatchSettings(mode, 0.05, 0.1))
    for burst in camera.bursts():
        assert sorted(frame.path for frame in burst.frames) == sorted(paths)
        camera.close()
    again = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "polling", settle_s=0.0)
    assert again.ready(0) == []


def test_a_file_larger_than_the_memory_is_not_read(place: Place, tmp_path: Path) -> None:
    """A file of 100 GB with a picture's name is a failure; after a crash at that burst, again."""
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate(10**11)
    camera = place.camera()
    huge.rename(place.folder / "HUGE.JPG")
    for burst in camera.bursts():
        assert [failure.file.name for failure in burst.failures] == ["HUGE.JPG"]
        break  # the trap is killed here
    assert place.bursts(1)[0].failures[0].file.name == "HUGE.JPG"


def test_a_slow_scan_is_followed_by_a_long_pause(place: Place) -> None:
    """A scan that takes ten seconds is repeated after fifty seconds, not after two."""
    now_s, looks = [0.0], list[float]()

    def slow() -> None:
        looks.append(now_s[0])
        now_s[0] += 10.0

    place.put("A.JPG", 0)
    watcher = FolderWatcher(place.folder, SeenFiles(place.ledger, place.folder), "polling", 2.0, lambda: now_s[0])
    watcher._pictures = lambda: slow() or iter(())  # type: ignore[method-assign,func-returns-value]
    for now_s[0] in range(0, 60, 3):
        watcher.ready(0)
    assert looks == [0.0, 51.0]
