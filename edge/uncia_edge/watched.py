"""The camera `watched`: a folder that another program, or a camera's own card, writes into (DESIGN 6).

Decides which files form which burst, live and after a restart; when a file is complete is `arrivals`, what was handed
over before is `ledger`. Files stay where they lie, and are not changed.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path

import msgspec

from uncia_contract.errors import DataError, FrameError
from uncia_contract.frames import Burst, BurstRule
from uncia_edge.arrival_times import ArrivalTimes
from uncia_edge.arrivals import Arrivals, Mode
from uncia_edge.cameras import ArrivedBurst, Failure, TimeSource, arrive
from uncia_edge.gathering import Gathering
from uncia_edge.ledger import Key, Ledger, key_of

_log = logging.getLogger(__name__)

AGAIN_S = 60.0  # how long a burst waits that could not be stored


class WatchSettings(msgspec.Struct, frozen=True):
    """How a folder is watched: `mode` as in `Arrivals`, `settle_s` for growing files, `quiet_s` to end a burst."""

    mode: Mode = "auto"
    settle_s: float = 2.0
    quiet_s: float | None = None


class WatchedCamera:
    """Bursts from a folder, for ever, or until `close`.

    Args:
        folder: where files appear, at any depth.
        ledger: the file that remembers what was handed over; its folder is made.
        rule: the bundle's burst rule.
        taken: whether a sequence with one of these sha256 was taken into the outbox (asked once, after a crash).
        zone: of EXIF times that name no offset.
        watch: see `WatchSettings`.
        beat: called at least once a second: the camera is alive.
        times: what the modification times of files without EXIF stand for: `trap` where this machine took them.

    Raises:
        DataError: no such folder.
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
            raise DataError(f"{folder}: no such folder; expected the one that the camera's pictures are written into")
        watch = watch or WatchSettings()
        self._folder, self._zone, self._beat, self._times, self._clock = folder, zone, beat, times, clock
        self._ledger = Ledger(ledger, folder)
        self._settle_offered(taken)
        self._arrivals = Arrivals(folder, self._ledger, watch.mode, watch.settle_s, clock)
        self._gathering = Gathering(rule, watch.quiet_s)
        self._arrival_times = ArrivalTimes(rule.gap_s)
        self._failures: list[Failure] = []
        self._unstored: deque[ArrivedBurst] = deque()
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

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each burst once it has ended. A burst counts as handed over when the next one is asked for."""
        try:
            while not self._closing.is_set():
                self._beat()
                for path in self._arrivals.ready(0.5):
                    self._take(path)
                for burst in self._gathering.due(self._clock()):
                    yield from self._hand_over(self._arrived(burst))
                if self._failures and not self._arrivals.settling() and not self._gathering:
                    yield from self._hand_over(self._only_failures())
                while self._unstored and self._clock() >= self._again_at_s:
                    yield from self._hand_over(self._still_there(self._unstored.popleft()))
        finally:
            self._arrivals.close()

    def _take(self, path: Path) -> None:
        try:
            self._gathering.add(self._arrival_times.timed(arrive(path, self._zone)), self._clock())
        except FrameError as error:
            self._failures.append(Failure(path, str(error)))

    def _hand_over(self, burst: ArrivedBurst) -> Iterator[ArrivedBurst]:
        keys = self._keys(burst)
        self._ledger.offer(keys)
        self._refused = False
        yield burst
        if self._refused:
            self._unstored.append(burst)
            self._again_at_s = self._clock() + AGAIN_S
        else:
            self._ledger.finish(keys)

    def _keys(self, burst: ArrivedBurst) -> list[Key]:
        keys = []
        for path in [frame.path for frame in burst.frames] + [failure.file for failure in burst.failures]:
            with suppress(OSError):  # the file is gone
                keys.append(key_of(path, self._folder))
        return keys

    def _still_there(self, burst: ArrivedBurst) -> ArrivedBurst:
        """The burst without files that went away while it waited; they are named."""
        gone = [frame for frame in burst.frames if not frame.path.exists()]
        frames = tuple(frame for frame in burst.frames if frame not in gone)
        failures = (*burst.failures, *(Failure(frame.path, "gone before it could be stored") for frame in gone))
        return replace(burst, frames=frames, failures=failures)

    def _arrived(self, burst: Burst) -> ArrivedBurst:
        failures, self._failures = tuple(self._failures), []
        source: TimeSource = self._times if self._arrival_times.were_used(burst.frames) else "exif"
        name = burst.frames[0].path.relative_to(self._folder).as_posix()
        return ArrivedBurst(name, burst.frames, failures, burst.continues, source)

    def _only_failures(self) -> ArrivedBurst:
        failures, self._failures = tuple(self._failures), []
        return ArrivedBurst(failures[0].file.name, (), failures)

    def _settle_offered(self, taken: Callable[[Collection[str]], bool]) -> None:
        """A burst that was offered when we died may be safe in the outbox already; then it must not come again."""
        for keys in self._ledger.offered:
            hashes = set()
            for name, _, _ in keys:
                with suppress(OSError):  # gone, or on a failing card
                    hashes.add(hashlib.sha256((self._folder / name).read_bytes()).hexdigest())
            if hashes and taken(hashes):
                _log.info("burst of %s was taken before the restart", keys[0][0])
                self._ledger.finish(keys)
