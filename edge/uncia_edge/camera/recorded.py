"""The camera `recorded`: folders of pictures, each folder a burst, whatever its times (DESIGN 3, 6); or, as a card has
them, cut by their times.

Decides which files are pictures, in which order a recorded burst plays, and when. Frames stay where they lie; the
outbox takes copies of what is positive.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule, Frame, bursts, in_order
from uncia_contract.errors import DataError, FrameError
from uncia_contract.messages.records import MAX_FRAMES
from uncia_contract.pictures.picture_files import folders_below, is_picture
from uncia_edge.camera.cameras import ArrivedBurst, Failure, TimeSource, read_frame
from uncia_edge.camera.missing_times import MissingTimes

_log = logging.getLogger(__name__)


class RecordedCamera:
    """Plays a folder of recorded bursts: in order of the folders' names, or of time."""

    def __init__(
        self,
        folder: Path,
        zone: tzinfo = UTC,
        rule: BurstRule | None = None,
        pace: float = 0.0,
        heartbeat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Finds the bursts; their files are read one burst at a time, or all at once where their times are asked for.

        Args:
            folder: every folder below it (and itself) that holds pictures is a recorded burst.
            zone: of EXIF times that name no offset.
            rule: cuts all pictures below the folder by their times, in place of by folders.
            pace: 1 as they were recorded, 60 an hour in a minute; 0 one after another.
            heartbeat: called while it reads and waits.
            clock: monotonic seconds.

        Raises:
            DataError: no such folder, or there is no picture in it.
        """
        self._zone, self._rule, self._pace, self._heartbeat, self._clock = zone, rule, pace, heartbeat, clock
        self._closing = threading.Event()
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; expected one with recorded bursts (a folder of JPEGs each)")
        self.folder = folder
        self.folders = _burst_folders(folder)
        if not self.folders:
            raise DataError(f"{folder}: no pictures in it; expected folders of JPEGs, each folder a burst")

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each burst, when it is due."""
        last: tuple[datetime, float] | None = None
        for burst in self._by_folders() if self._rule is None else self._by_times(self._rule):
            began_at = next((frame.taken_at for frame in burst.frames if frame.taken_at), None)
            if self._pace and last and began_at:
                self._wait_until(last[1] + (began_at - last[0]).total_seconds() / self._pace)
            if self._closing.is_set():
                return
            if began_at:
                last = began_at, self._clock()
            yield burst

    def close(self) -> None:
        """End `bursts` soon."""
        self._closing.set()

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - self._clock()) > 0 and not self._closing.wait(min(left_s, 1.0)):
            self._heartbeat()

    def _by_folders(self) -> Iterator[ArrivedBurst]:
        for folder in self.folders:
            name = folder.relative_to(self.folder).as_posix()
            burst = recorded_burst(self.folder.name if name == "." else name, _pictures(folder), self._zone)
            yield from _pieces(burst)

    def _by_times(self, rule: BurstRule) -> Iterator[ArrivedBurst]:
        """What cannot be used is named with the first burst."""
        times, frames, failures = MissingTimes(rule.gap_s), list[Frame](), list[Failure]()
        for path in (path for folder in self.folders for path in _pictures(folder)):
            self._heartbeat()
            try:
                frames.append(times.timed(read_frame(path, self._zone)))
            except FrameError as error:
                failures.append(Failure(path, str(error)))
        if not frames:
            yield ArrivedBurst(self.folder.name, (), tuple(failures))
        for burst in bursts(frames, rule):
            name = burst.frames[0].path.relative_to(self.folder).as_posix()
            source: TimeSource = "none" if times.were_used(burst.frames) else "exif"
            yield ArrivedBurst(name, burst.frames, tuple(failures), burst.continues, source)
            failures = []


def recorded_burst(name: str, files: Sequence[Path], zone: tzinfo = UTC) -> ArrivedBurst:
    """These files as one burst: in order of EXIF time, ties and files without a time by name."""
    frames: list[Frame] = []
    failures: list[Failure] = []
    for path in files:
        try:
            frames.append(read_frame(path, zone))
        except FrameError as error:
            failures.append(Failure(path, str(error)))
    ordered = tuple(in_order(frames))
    source: TimeSource = "exif" if any(frame.taken_at for frame in ordered) else "none"
    return ArrivedBurst(name, ordered, tuple(failures), time_source=source)


def _pieces(burst: ArrivedBurst) -> Iterator[ArrivedBurst]:
    """A folder of more frames than a record can name is cut, as a burst that never ends is."""
    yield replace(burst, frames=burst.frames[:MAX_FRAMES])
    for start in range(MAX_FRAMES, len(burst.frames), MAX_FRAMES):
        yield replace(burst, frames=burst.frames[start : start + MAX_FRAMES], failures=(), continues=True)


def _burst_folders(folder: Path) -> list[Path]:
    return sorted(found for found in folders_below(folder, _warn) if _pictures(found))


def _warn(folder: Path, error: OSError) -> None:
    _log.warning("recorded folder %s: %s", folder, error.strerror or error)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())
