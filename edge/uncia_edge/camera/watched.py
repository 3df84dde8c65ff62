"""The camera `watched`: a folder that another program, or a camera's own card, writes into (DESIGN 6).

Decides which files form which burst, live and after a restart. `folder_watcher` decides when a file is complete,
`seen_files` knows what was handed over before. Files stay where they lie, and are not changed.
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
from uncia_edge.camera.burst_assembler import BurstAssembler
from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, Failure, TimeSource, read_frame
from uncia_edge.camera.folder_watcher import FolderWatcher, Mode
from uncia_edge.camera.missing_times import MissingTimes
from uncia_edge.camera.seen_files import Key, SeenFiles

_log = logging.getLogger(__name__)

RETRY_S = 60.0  # how long a burst waits that could not be stored
_READ_TOGETHER = 8  # files; bursts that have ended go between them


class WatchSettings(msgspec.Struct, frozen=True):
    """How a folder is watched: `mode` as in `FolderWatcher`, `settle_s` for growing files, `quiet_s` to end a burst."""

    mode: Mode = "auto"
    settle_s: float = 2.0
    quiet_s: float | None = None


@dataclass(frozen=True)
class _PendingBurst:
    """A burst to be handed over, and the keys of its files when they were read.

    A file that is written into again meanwhile has another key then, and comes again.
    """

    burst: ArrivedBurst
    keys: tuple[Key, ...]


class WatchedCamera:
    """Bursts from a folder, for ever, or until `close`.

    Args:
        folder: where files appear, at any depth.
        seen: the file that keeps what was handed over; its folder is made.
        rule: the bundle's burst rule.
        taken: whether a sequence with one of these sha256 was taken into the outbox (asked of what was offered before).
        zone: of EXIF times that name no offset.
        watch: see `WatchSettings`.
        heartbeat: called at least once a second while the camera works.
        times: what the modification times of files without EXIF stand for: `trap` where this machine took them.

    Raises:
        CameraAbsentError: no such folder.
        StorageError: `seen` cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        seen: Path,
        rule: BurstRule,
        taken: Callable[[Collection[str]], bool],
        zone: tzinfo = UTC,
        watch: WatchSettings | None = None,
        heartbeat: Callable[[], None] = lambda: None,
        times: TimeSource = "none",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not folder.is_dir():
            raise CameraAbsentError(f"{folder}: no such folder; expected the one that the camera writes into")
        watch = watch or WatchSettings()
        self._folder, self._zone, self._heartbeat, self._times, self._clock = folder, zone, heartbeat, times, clock
        self._seen, self._taken = SeenFiles(seen, folder, heartbeat), taken
        self._settle_offered()
        self._watcher = FolderWatcher(folder, self._seen, watch.mode, watch.settle_s, clock, heartbeat)
        self._assembler = BurstAssembler(rule, watch.quiet_s)
        self._missing_times = MissingTimes(rule.gap_s)
        self._failures: list[tuple[Failure, Key | None]] = []
        self._keys: dict[Path, Key] = {}  # of the frames in the assembler
        self._unstored: deque[_PendingBurst] = deque()
        self._refused, self._retry_at_s = False, 0.0
        self._closing = threading.Event()

    def close(self) -> None:
        """End `bursts` soon; what is still open is found again after the next start."""
        self._closing.set()

    def retry_later(self) -> None:
        """The current burst could not be stored: it comes again in a minute, and after a restart."""
        self._refused = True

    @property
    def unstored(self) -> int:
        """How many bursts wait to be handed over again."""
        return len(self._unstored)

    @property
    def problems(self) -> Sequence[str]:
        """What the base station should know."""
        unstored = [f"{self.unstored} bursts wait for room on the card"] if self.unstored else []
        away = [f"no camera: {self._folder}: {self._watcher.away}"] if self._watcher.away else []
        return [*unstored, *away]

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each burst once it has ended. A burst counts as handed over when the next one is asked for."""
        try:
            while not self._closing.is_set():
                self._heartbeat()
                for pending in self._read_complete():
                    yield from self._hand_over(pending)
                for burst in takewhile(lambda _: not self._closing.is_set(), self._assembler.due(self._clock())):
                    yield from self._hand_over(self._arrived(burst))
                if self._failures and not self._watcher.is_waiting() and not self._assembler:
                    yield from self._hand_over(self._only_failures())
                while self._unstored and self._clock() >= self._retry_at_s and not self._closing.is_set():
                    yield from self._hand_over(self._still_there(self._unstored.popleft()))
        finally:
            self._watcher.close()

    def _read_complete(self) -> Iterator[_PendingBurst]:
        """Read the files that have become complete. Of a whole card, bursts go while the rest still waits."""
        complete = self._watcher.ready(0.5)
        for start in range(0, len(complete), _READ_TOGETHER):
            if self._closing.is_set():
                return
            self._assembler.add(self._frames(complete[start : start + _READ_TOGETHER]), self._clock())
            while not self._closing.is_set() and (burst := self._assembler.surplus()) is not None:
                yield self._arrived(burst)

    def _frames(self, paths: Sequence[Path]) -> list[Frame]:
        """The usable frames of these files; the others are noted as failures."""
        keys, frames = self._watcher.unchanged(paths), list[Frame]()
        for path in paths:
            self._heartbeat()
            if path not in keys and path.exists():
                continue  # it is being written into again
            try:
                frames.append(self._missing_times.timed(read_frame(path, self._zone)))
            except FrameError as error:
                self._failures.append((Failure(path, str(error)), keys.get(path)))
                continue
            if path in keys:
                self._keys[path] = keys[path]
        return frames

    def _hand_over(self, pending: _PendingBurst) -> Iterator[ArrivedBurst]:
        self._refused = False
        if not (self._seen.was_offered(pending.keys) and self._was_taken(pending.keys)):
            self._seen.offer(pending.keys)
            yield pending.burst
        if self._refused:
            self._unstored.append(pending)
            self._retry_at_s = self._clock() + RETRY_S
        else:
            self._seen.finish(pending.keys)
            self._watcher.forget(pending.keys)

    def _still_there(self, pending: _PendingBurst) -> _PendingBurst:
        """The burst without files that went away while it waited; they are named."""
        burst = pending.burst
        gone = [frame for frame in burst.frames if not frame.path.exists()]
        frames = tuple(frame for frame in burst.frames if frame not in gone)
        failures = (*burst.failures, *(Failure(frame.path, "gone before it could be stored") for frame in gone))
        return _PendingBurst(replace(burst, frames=frames, failures=failures), pending.keys)

    def _arrived(self, burst: Burst) -> _PendingBurst:
        source: TimeSource = self._times if self._missing_times.were_used(burst.frames) else "exif"
        name = burst.frames[0].path.relative_to(self._folder).as_posix()
        keys = [self._keys.pop(frame.path, None) for frame in burst.frames]
        return self._pending(name, burst.frames, keys, burst.continues, source)

    def _only_failures(self) -> _PendingBurst:
        return self._pending(self._failures[0][0].file.name, (), ())

    def _pending(
        self,
        name: str,
        frames: tuple[Frame, ...],
        keys: Iterable[Key | None],
        continues: bool = False,
        source: TimeSource = "exif",
    ) -> _PendingBurst:
        """A burst with the failures that came beside it."""
        failed, self._failures = self._failures, []
        all_keys = [key for key in (*keys, *(key for _, key in failed)) if key is not None]
        failures = tuple(failure for failure, _ in failed)
        return _PendingBurst(ArrivedBurst(name, frames, failures, continues, source), tuple(all_keys))

    def _settle_offered(self) -> None:
        """A burst that was offered when we died may be safe in the outbox already; then it must not come again."""
        for keys in self._seen.offered:
            if self._was_taken(keys):
                self._seen.finish(keys)

    def _was_taken(self, keys: Sequence[Key]) -> bool:
        hashes = set()
        for name, size, _ in keys:
            self._heartbeat()
            if size > MAX_JPEG_BYTES:  # no frame, and too much for the memory
                continue
            with suppress(OSError):  # gone, or on a failing card
                hashes.add(hashlib.sha256((self._folder / name).read_bytes()).hexdigest())
        if taken := bool(hashes) and self._taken(hashes):
            _log.info("burst of %s was taken before", keys[0][0])
        return taken
