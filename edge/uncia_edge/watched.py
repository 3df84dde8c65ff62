"""The camera `watched`: a folder that another program, or a camera's own card, writes into (DESIGN 6).

Decides which files form which burst, live and after a restart; when a file is complete is `arrivals`, what was handed
over before is `ledger`. Files stay where they lie, and are not changed.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import msgspec

from uncia_contract.errors import DataError, FrameError
from uncia_contract.frames import Burst, BurstRule, Frame
from uncia_edge.arrivals import Arrivals, Mode
from uncia_edge.cameras import ArrivedBurst, Failure, TimeSource, arrive
from uncia_edge.gathering import Gathering
from uncia_edge.ledger import Ledger, key_of

_log = logging.getLogger(__name__)


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
        self._failures: list[Failure] = []
        self._by_arrival: set[Path] = set()
        self._closing = threading.Event()

    def close(self) -> None:
        """End `bursts` soon; what is still open is found again after the next start."""
        self._closing.set()

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
        finally:
            self._arrivals.close()

    def _take(self, path: Path) -> None:
        try:
            frame = arrive(path, self._zone)
        except FrameError as error:
            self._failures.append(Failure(path, str(error)))
            return
        if frame.taken_at is None:
            self._by_arrival.add(path)
            frame = Frame(frame.name, path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
        self._gathering.add(frame, self._clock())

    def _hand_over(self, burst: ArrivedBurst) -> Iterator[ArrivedBurst]:
        paths = [frame.path for frame in burst.frames] + [failure.file for failure in burst.failures]
        keys = [key_of(path, self._folder) for path in paths if path.exists()]
        self._ledger.offer(keys)
        yield burst
        self._ledger.finish(keys)

    def _arrived(self, burst: Burst) -> ArrivedBurst:
        failures, self._failures = tuple(self._failures), []
        source: TimeSource = self._times if any(frame.path in self._by_arrival for frame in burst.frames) else "exif"
        self._by_arrival -= {frame.path for frame in burst.frames}
        name = burst.frames[0].path.relative_to(self._folder).as_posix()
        return ArrivedBurst(name, burst.frames, failures, burst.continues, source)

    def _only_failures(self) -> ArrivedBurst:
        failures, self._failures = tuple(self._failures), []
        return ArrivedBurst(failures[0].file.name, (), failures)

    def _settle_offered(self, taken: Callable[[Collection[str]], bool]) -> None:
        """A burst that was offered when we died may be safe in the outbox already; then it must not come again."""
        keys = [key for key in self._ledger.offered if (self._folder / key[0]).is_file()]
        if not keys:
            return
        hashes = {hashlib.sha256((self._folder / key[0]).read_bytes()).hexdigest() for key in keys}
        if taken(hashes):
            _log.info("burst of %s was taken before the restart", keys[0][0])
            self._ledger.finish(keys)
