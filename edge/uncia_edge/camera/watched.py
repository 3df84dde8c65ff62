"""The camera `watched`: a folder that another program, or a camera's own card, writes into (DESIGN 6).

Decides which files form which burst, live and after a restart; when a file is complete is `arrivals`, what was handed
over before is `ledger`. Files stay where they lie, and are not changed.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from itertools import takewhile
from pathlib import Path

import msgspec

from uncia_contract.bursts.frames import Burst, BurstRule, Frame
from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import MAX_JPEG_BYTES
from uncia_edge.camera.burst_assembler import Gathering
from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, Failure, TimeSource, arrive
from uncia_edge.camera.folder_watcher import Arrivals, Mode
from uncia_edge.camera.missing_times import ArrivalTimes
from uncia_edge.camera.seen_files import Key, Ledger

_log = logging.getLogger(__name__)

AGAIN_S = 60.0  # how long a burst waits that could not be stored


class WatchSettings(msgspec.Struct, frozen=True):
    """How a folder is watched: `mode` as in `Arrivals`, `settle_s` for growing files, `quiet_s` to end a burst."""

    mode: Mode = "auto"
    settle_s: float = 2.0
    quiet_s: float | None = None


@dataclass(frozen=True)
class _Owed:
    """A burst to be handed over, and what its files were when they were taken: so the ledger knows them.

    A file that is written into again meanwhile is another one then, and comes again.
    """

    burst: ArrivedBurst
    keys: tuple[Key, ...]


class WatchedCamera:
    """Bursts from a folder, for ever, or until `close`.

    Args:
        folder: where files appear, at any depth.
        ledger: the file that remembers what was handed over; its folder is made.
        rule: the bundle's burst rule.
        taken: whether a sequence with one of these sha256 was taken into the outbox (asked of what was offered before).
        zone: of EXIF times that name no offset.
        watch: see `WatchSettings`.
        beat: called at least once a second: the camera is alive.
        times: what the modification times of files without EXIF stand for: `trap` where this machine took them.

    Raises:
        CameraAbsentError: no such folder.
        StorageError: the ledger cannot be kept.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Path,
        rule: BurstRule,
        taken: Callable[[Collection[str]], bool],
        zone: tzinfo = UTC,
        watch: WatchSettings | None = None,
        beat: Callable[[], None] = lambda: None,
        times: TimeSource = "none",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not folder.is_dir():
            raise CameraAbsentError(f"{folder}: no such folder; expected the one that the camera writes into")
        watch = watch or WatchSettings()
        self._folder, self._zone, self._beat, self._times, self._clock = folder, zone, beat, times, clock
        self._ledger, self._taken = Ledger(ledger, folder, beat), taken
        self._settle_offered()
        self._arrivals = Arrivals(folder, self._ledger, watch.mode, watch.settle_s, clock, beat)
        self._gathering = Gathering(rule, watch.quiet_s)
        self._arrival_times = ArrivalTimes(rule.gap_s)
        self._failures: list[tuple[Failure, Key | None]] = []
        self._keys: dict[Path, Key] = {}  # of the frames that are gathered
        self._unstored: deque[_Owed] = deque()
        self._refused, self._again_at_s = False, 0.0
        self._closing = threading.Event()

    def close(self) -> None:
        """End `bursts` soon; what is still open is found again after the next start."""
        self._closing.set()

    def again(self) -> None:
        """The burst in hand could not be stored: it comes again in a minute, and after a restart."""
        self._refused = True

    @property
    def unstored(self) -> int:
        """How many bursts wait to be handed over again."""
        return len(self._unstored)

    @property
    def troubles(self) -> Sequence[str]:
        """What the base station should know."""
        unstored = [f"{self.unstored} bursts wait for room on the card"] if self.unstored else []
        away = [f"no camera: {self._folder}: {self._arrivals.away}"] if self._arrivals.away else []
        return [*unstored, *away]

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each burst once it has ended. A burst counts as handed over when the next one is asked for."""
        try:
            while not self._closing.is_set():
                self._beat()
                for owed in self._new_ones():
                    yield from self._hand_over(owed)
                for burst in takewhile(lambda _: not self._closing.is_set(), self._gathering.due(self._clock())):
                    yield from self._hand_over(self._arrived(burst))
                if self._failures and not self._arrivals.settling() and not self._gathering:
                    yield from self._hand_over(self._only_failures())
                while self._unstored and self._clock() >= self._again_at_s and not self._closing.is_set():
                    yield from self._hand_over(self._still_there(self._unstored.popleft()))
        finally:
            self._arrivals.close()

    def _new_ones(self) -> Iterator[_Owed]:
        """Take what has become complete. Of a whole card, bursts go while the rest still waits."""
        for path in self._arrivals.ready(0.5):
            if self._closing.is_set():
                return
            self._beat()
            self._take(path)
            while (burst := self._gathering.crowded()) is not None:
                yield self._arrived(burst)

    def _take(self, path: Path) -> None:
        key = self._arrivals.still(path)
        if key is None and path.exists():
            return  # it is being written into again
        try:
            self._gathering.add(self._arrival_times.timed(arrive(path, self._zone)), self._clock())
        except FrameError as error:
            self._failures.append((Failure(path, str(error)), key))
            return
        if key is not None:
            self._keys[path] = key

    def _hand_over(self, owed: _Owed) -> Iterator[ArrivedBurst]:
        self._refused = False
        if not (self._ledger.was_offered(owed.keys) and self._was_taken(owed.keys)):
            self._ledger.offer(owed.keys)
            yield owed.burst
        if self._refused:
            self._unstored.append(owed)
            self._again_at_s = self._clock() + AGAIN_S
        else:
            self._ledger.finish(owed.keys)
            self._arrivals.forget(owed.keys)

    def _still_there(self, owed: _Owed) -> _Owed:
        """The burst without files that went away while it waited; they are named."""
        burst = owed.burst
        gone = [frame for frame in burst.frames if not frame.path.exists()]
        frames = tuple(frame for frame in burst.frames if frame not in gone)
        failures = (*burst.failures, *(Failure(frame.path, "gone before it could be stored") for frame in gone))
        return _Owed(replace(burst, frames=frames, failures=failures), owed.keys)

    def _arrived(self, burst: Burst) -> _Owed:
        source: TimeSource = self._times if self._arrival_times.were_used(burst.frames) else "exif"
        name = burst.frames[0].path.relative_to(self._folder).as_posix()
        keys = [self._keys.pop(frame.path, None) for frame in burst.frames]
        return self._owed(name, burst.frames, keys, burst.continues, source)

    def _only_failures(self) -> _Owed:
        return self._owed(self._failures[0][0].file.name, (), ())

    def _owed(
        self,
        name: str,
        frames: tuple[Frame, ...],
        keys: Iterable[Key | None],
        continues: bool = False,
        source: TimeSource = "exif",
    ) -> _Owed:
        """With the failures that came beside it."""
        failed, self._failures = self._failures, []
        owed = [key for key in (*keys, *(key for _, key in failed)) if key is not None]
        failures = tuple(failure for failure, _ in failed)
        return _Owed(ArrivedBurst(name, frames, failures, continues, source), tuple(owed))

    def _settle_offered(self) -> None:
        """A burst that was offered when we died may be safe in the outbox already; then it must not come again."""
        for keys in self._ledger.offered:
            if self._was_taken(keys):
                self._ledger.finish(keys)

    def _was_taken(self, keys: Sequence[Key]) -> bool:
        hashes = set()
        for name, size, _ in keys:
            if size > MAX_JPEG_BYTES:  # no frame, and too much for the memory
                continue
            with suppress(OSError):  # gone, or on a failing card
                hashes.add(hashlib.sha256((self._folder / name).read_bytes()).hexdigest())
        if taken := bool(hashes) and self._taken(hashes):
            _log.info("burst of %s was taken before", keys[0][0])
        return taken
