"""Files that cannot be read for a while: they are tried again, so that no burst is lost."""

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.edge.scene import START, WatchedTrap, jpeg, slope

from uncia_edge.camera import unreadable_files
from uncia_edge.scoring.observer import Observation

SMALL = slope().resize((160, 120))
REFUSALS = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EACCES]
TOLD = [errno.errorcode[code] for code in REFUSALS]


class TimedTrap(WatchedTrap):
    """A trap around a watched folder with a simulated clock; `plan` holds actions and when to run them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.plan: list[tuple[float, Callable[[], object]]] = []

    def _clock(self) -> float:
        now_s = super()._clock()
        for moment in [one for one in self.plan if one[0] <= now_s]:
            self.plan.remove(moment)
            moment[1]()
        return now_s

    def frame(self, n: int, seconds: float | None = None) -> Path:
        """Write frame `n`, taken and written `seconds` (by default `n`) after the start."""
        taken = START + timedelta(seconds=n if seconds is None else seconds)
        path = self.put(f"IMG_{n:04d}.JPG", jpeg(SMALL, taken))
        os.utime(path, (taken.timestamp(), taken.timestamp()))
        return path

    def watch(self, until_s: float) -> list[Observation]:
        """Run the trap for `until_s` of simulated time; return what it decided."""
        seen: list[Observation] = []
        camera = self.camera()
        self.plan.append((self.now_s + until_s, camera.close))
        for burst in camera.bursts():
            seen.append(self.trap.observe(burst))
            camera.decided(seen[-1].contents, seen[-1].unreadable)
            if not seen[-1].safe:
                camera.retry_later(seen[-1].unreadable)
        return [one for one in seen if one.safe]


class Refusing:
    """Makes opening of given files fail with an errno."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.codes: dict[Path, list[int]] = {}  # for each file: the errno of its next attempts, 0 for success
        self.always: dict[Path, int] = {}
        real = Path.open

        def opened(path: Path, *args: Any, **options: Any) -> Any:
            code = self.codes[path].pop(0) if self.codes.get(path) else self.always.get(path)
            if code:
                raise OSError(code, os.strerror(code))
            return real(path, *args, **options)

        monkeypatch.setattr(Path, "open", opened)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Refusing:
    return Refusing(monkeypatch)


@pytest.fixture
def timed(tmp_path: Path) -> TimedTrap:
    return TimedTrap(tmp_path)


def told(seen: list[Observation]) -> list[tuple[list[str], tuple[str, ...]]]:
    """The numbers of each burst's frames, and the failures in its record."""
    return [([frame.name[7:8] for frame in one.frames], one.record.failures if one.record else ()) for one in seen]


@pytest.mark.parametrize("code", REFUSALS, ids=TOLD)
def test_a_fault_at_arrival_that_passes_leaves_the_burst_whole(timed: TimedTrap, refusing: Refusing, code: int) -> None:
    """The first attempt to read a frame fails, the next one does not."""
    paths = [timed.frame(n) for n in range(3)]
    refusing.codes[paths[1]] = [code]
    assert told(timed.watch(200)) == [(["0", "1", "2"], ())]


@pytest.mark.parametrize("code", REFUSALS, ids=TOLD)
def test_a_fault_at_scoring_that_passes_leaves_the_burst_whole(timed: TimedTrap, refusing: Refusing, code: int) -> None:
    """The frame was read when it arrived, and fails when it is opened to be scored."""
    paths = [timed.frame(n) for n in range(3)]
    refusing.codes[paths[1]] = [0, code]
    assert told(timed.watch(200)) == [(["0", "1", "2"], ())]


def test_rights_that_are_taken_between_arrival_and_scoring_and_given_back(timed: TimedTrap, refusing: Refusing) -> None:
    """`chmod 600` for forty seconds: the burst waits, and is scored once."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.codes[path] = [0]
    refusing.always[path] = errno.EACCES
    timed.plan.append((40.0, refusing.always.clear))
    seen = timed.watch(300)
    assert told(seen) == [(["0", "1", "2"], ())]
    assert seen[0].record is not None and seen[0].record.frames_scored > 0


def test_all_frames_that_cannot_be_read_for_a_while_are_one_burst_later(timed: TimedTrap, refusing: Refusing) -> None:
    """A network share that fails between arrival and scoring."""
    for n in range(3):
        path = timed.frame(n)
        refusing.codes[path] = [0]
        refusing.always[path] = errno.ESTALE
    timed.plan.append((30.0, refusing.always.clear))
    assert told(timed.watch(300)) == [(["0", "1", "2"], ())]


@pytest.mark.parametrize("opened", [0, 1], ids=["at arrival", "at scoring"])
def test_a_file_that_is_never_readable_is_named_and_the_burst_goes_on(
    timed: TimedTrap, refusing: Refusing, opened: int
) -> None:
    """After 90 s and not before; meanwhile the trap reports that there is such a file."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.codes[path] = [0] * opened
    refusing.always[path] = errno.EIO
    problems, before = list[list[str]](), list[int]()
    timed.plan.append(
        (80.0, lambda: (problems.append([*timed.watched.problems]), before.append(len(timed.outbox.queries.waiting()))))
    )
    assert told(timed.watch(300)) == [(["0", "2"], ("IMG_0001.JPG",))]
    assert (problems, before) == ([["1 files cannot be read"]], [0])


def test_a_frame_that_can_be_read_late_is_a_burst_of_its_own_in_the_event(timed: TimedTrap, refusing: Refusing) -> None:
    """Its burst was scored without it and another burst came between: it still belongs to the first event."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.always[path] = errno.EIO
    timed.plan += [(150.0, lambda: timed.frame(7, 5000)), (250.0, refusing.always.clear)]
    seen = timed.watch(900)
    assert told(seen) == [(["0", "2"], ("IMG_0001.JPG",)), (["7"], ()), (["1"], ())]
    records = [one.record for one in seen if one.record]
    assert [record.event == records[0].id for record in records] == [True, False, True]


def test_what_is_read_late_is_found_after_a_restart(timed: TimedTrap, refusing: Refusing) -> None:
    """No frame comes twice and no failure is named twice: the ledger says which file is still tried."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.always[path] = errno.EIO
    assert told(timed.watch(200)) == [(["0", "2"], ("IMG_0001.JPG",))]
    assert told(timed.watch(300)) == []
    refusing.always.clear()
    assert told(timed.watch(300)) == [(["1"], ())]
    assert told(timed.watch(100)) == []


def test_a_restart_while_a_burst_waits_loses_nothing(timed: TimedTrap, refusing: Refusing) -> None:
    """Stopped after half a minute; the file can be read after the start."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.always[path] = errno.EIO
    assert told(timed.watch(30)) == []
    refusing.always.clear()
    assert told(timed.watch(100)) == [(["0", "1", "2"], ())]


def test_a_file_that_stays_unreadable_is_given_up_in_the_end(
    timed: TimedTrap, refusing: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named once, tried until `GIVE_UP_S`, and not tried again, also not after a restart."""
    monkeypatch.setattr(unreadable_files, "GIVE_UP_S", 300.0)
    path = timed.frame(1)
    refusing.always[path] = errno.EIO
    [seen] = timed.watch(2000)
    assert [(failure.file, failure.unreadable) for failure in seen.failures] == [(path, True)]
    refusing.always.clear()
    assert timed.watch(100) == []


def test_other_visits_do_not_wait_for_a_file_that_cannot_be_read(timed: TimedTrap, refusing: Refusing) -> None:
    """Only a burst that the file was written next to waits for it."""
    refusing.always[timed.frame(0)] = errno.EIO
    timed.frame(5, 1000)
    assert told(timed.watch(60)) == [(["5"], ())]


def test_a_file_that_cannot_be_decoded_is_not_waited_for(timed: TimedTrap) -> None:
    """Another attempt would read the same bytes."""
    timed.frame(0)
    timed.put("IMG_0001.JPG", b"\xff\xd8 half")
    assert told(timed.watch(20)) == [(["0"], ("IMG_0001.JPG",))]


def test_a_frame_whose_writer_pauses_is_no_failure_once_it_is_whole(timed: TimedTrap) -> None:
    """An upload stops and goes on while its burst is open; the camera first took half of the file as complete."""
    paths = [timed.frame(n) for n in range(3)]
    content, real = paths[1].read_bytes(), timed.camera
    paths[1].write_bytes(content[:500])

    def camera() -> object:
        live = real()
        due = live._assembler.due

        def go_on(*args: object) -> object:
            if len(live._assembler) == 2 and live._failures:
                if paths[1].stat().st_size == 500:
                    paths[1].write_bytes(content)
                return iter(())
            return due(*args)  # type: ignore[arg-type]

        live._assembler.due = go_on  # type: ignore[assignment,method-assign]
        return live

    timed.camera = camera  # type: ignore[method-assign,assignment]
    [(names, failures)] = told(timed.watch(120))
    assert (sorted(names), failures) == (["0", "1", "2"], ())


@pytest.mark.heavy
def test_a_card_full_of_unreadable_files_does_not_stop_the_trap(timed: TimedTrap, refusing: Refusing) -> None:
    """On a damaged card, a new picture is still decided."""
    for n in range(300):
        path = timed.put(f"OLD/{n:04d}.JPG", jpeg(SMALL))
        refusing.always[path] = errno.EIO
    timed.plan.append((100.0, lambda: timed.frame(5, 1000)))
    assert (["5"], ()) in [(frames, ()) for frames, _ in told(timed.watch(1000))]


def test_time_without_the_folder_does_not_count(
    timed: TimedTrap, refusing: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share is offline for an hour: its frames are one burst when it is back."""
    path = [timed.frame(n) for n in range(3)][1]
    refusing.always[path] = errno.EIO
    timed.plan += [
        (20.0, lambda: setattr(timed.watched._watcher, "away", "away")),
        (20.0, lambda: monkeypatch.setattr(timed.watched._watcher, "_pictures", lambda: iter(()))),
        (3600.0, lambda: setattr(timed.watched._watcher, "away", None)),
        (3610.0, refusing.always.clear),
    ]
    assert told(timed.watch(3900)) == [(["0", "1", "2"], ())]
