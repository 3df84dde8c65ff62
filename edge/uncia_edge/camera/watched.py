"""The camera `watched`: bursts from a folder that another program, or a camera, writes into (DESIGN 6).

Decides which files form which burst, live and after a restart. `folder_watcher` decides when a file is complete,
`seen_files` which were handed over before, `unreadable_files` when to try one again. Files are not changed.

The same picture never comes twice (`same_picture`): a file is read and compared if its size was seen before.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from itertools import takewhile
from pathlib import Path

import msgspec

from uncia_contract.bursts.frames import Burst, BurstRule, Frame
from uncia_contract.errors import FrameError, UnreadableError
from uncia_contract.pictures.jpeg import undecodable
from uncia_edge.camera.assemblers import Assemblers
from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, Failure, TimeSource, read_frame
from uncia_edge.camera.folder_watcher import FolderWatcher, Mode
from uncia_edge.camera.missing_times import MissingTimes
from uncia_edge.camera.same_picture import content_of, is_same, sha256_of
from uncia_edge.camera.seen_files import Key, SeenFiles, is_gone
from uncia_edge.camera.unreadable_files import UnreadableFiles

_log = logging.getLogger(__name__)

RETRY_S = 60.0  # after which a burst that could not be stored is given again
_READ_TOGETHER = 8  # files; between two batches, bursts that have ended are handed over


class WatchSettings(msgspec.Struct, frozen=True):
    """How to watch: see `FolderWatcher` (`mode`, `settle_s`, `once`), `BurstAssembler` and `Assemblers`."""

    mode: Mode = "auto"
    settle_s: float = 2.0
    quiet_s: float | None = None
    once: bool = False
    per_folder: bool = False


@dataclass(frozen=True)
class _PendingBurst:
    """A burst to be handed over, the keys of its files when they were read, and their sha256 once known."""

    burst: ArrivedBurst
    keys: tuple[Key, ...]  # a file that is written to meanwhile gets another key, so it comes again
    contents: Mapping[Path, str] = field(default_factory=dict)


class WatchedCamera:
    """Bursts from a folder, until `close` is called; with `once`, until every complete file was handed over.

    Args:
        folder: where files appear, at any depth.
        seen: the path of the ledger (`seen_files`); its folder is created.
        rule: the bundle's burst rule.
        taken: tells whether the outbox took a sequence with one of these sha256; asked for bursts offered before.
        zone: the zone of EXIF times that name no offset.
        watch: see `WatchSettings`.
        heartbeat: called at least once a second while the camera works.
        times: how to call modification times used as frame times; `trap` means that this machine took the pictures.
        clock: monotonic seconds.

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
        self._once = watch.once
        self._watcher = FolderWatcher(folder, self._seen, watch.mode, watch.settle_s, clock, heartbeat, watch.once)
        self._news_s = min(0.5, watch.settle_s)  # how long one wait for new files may take
        self._assembler = Assemblers(folder, rule, watch.quiet_s, watch.per_folder)
        self._missing_times = MissingTimes(rule.gap_s)
        self._failures: list[tuple[Failure, Key | None]] = []
        self._keys: dict[Path, list[Key]] = {}  # for each frame in the assembler: its key and those of its copies
        self._unreadable = UnreadableFiles(rule.gap_s, clock)
        self._unstored: deque[_PendingBurst] = deque()
        self._refused, self._retry_at_s = False, 0.0
        self._unread: Collection[Path] = ()  # files of the current burst that could not be read
        self._contents: Mapping[Path, str] = {}
        self._closing = threading.Event()

    def close(self) -> None:
        """End `bursts` soon; the next start finds the files of open bursts again."""
        self._closing.set()

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """See `LiveCamera`: the burst comes again after `RETRY_S`, or once its unreadable files can be read."""
        self._refused, self._unread = True, unreadable

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """See `LiveCamera`."""
        self._contents, self._unread = contents, unreadable

    @property
    def is_idle(self) -> bool:
        """Whether every complete file in the folder was handed over, except those that wait for another attempt."""
        return self._watcher.has_looked and not (self._watcher.is_waiting() or self._assembler or self._failures)

    @property
    def unstored(self) -> int:
        """How many bursts could not be stored and wait to be given again."""
        return len(self._unstored)

    @property
    def problems(self) -> Sequence[str]:
        """See `LiveCamera`."""
        unstored = [f"{self.unstored} bursts wait for room on the card"] if self.unstored else []
        count = self._unreadable.count if self._unreadable.files else 0
        unread = [f"{count} files cannot be read"] if count else []
        away = [f"no camera: {self._folder}: {self._watcher.away}"] if self._watcher.away else []
        return [*unstored, *unread, *away]

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Yield each burst once it has ended. It counts as handed over when the next one is asked for."""
        try:
            while not self._closing.is_set() and not (self._once and self.is_idle):
                self._heartbeat()
                for pending in self._read_complete():
                    yield from self._hand_over(pending)
                for burst in takewhile(
                    lambda _: not self._closing.is_set(), self._assembler.due(self._clock(), self._waits)
                ):
                    yield from self._hand_over(self._arrived(burst))
                if self._failures and not self._watcher.is_waiting() and not self._assembler:
                    yield from self._hand_over(self._only_failures())
                while self._unstored and self._clock() >= self._retry_at_s and not self._closing.is_set():
                    yield from self._hand_over(self._still_there(self._unstored.popleft()))
        finally:
            self._watcher.close()

    def _read_complete(self) -> Iterator[_PendingBurst]:
        """Read the complete files into the assembler; yield bursts meanwhile if a whole card came at once."""
        complete = self._watcher.ready(self._news_s)
        if self._unreadable.files:
            complete += self._read_again()
        for start in range(0, len(complete), _READ_TOGETHER):
            if self._closing.is_set():
                return
            for frame in self._frames(complete[start : start + _READ_TOGETHER]):
                self._assembler.add([frame], self._clock() - self._watcher.age_s(frame.path))
            while not self._closing.is_set() and (burst := self._assembler.surplus(self._waits)) is not None:
                yield self._arrived(burst)

    def _read_again(self) -> list[Path]:
        """The files that can be read again; those that no burst waits for any longer are noted as failures."""
        began_s, readable = self._clock(), []
        tried = self._unreadable.due(self._watcher.away is None)
        for file in tried:
            self._heartbeat()
            try:
                sha256_of(file.path)
            except OSError as error:
                self._unreadable.failed(file.path, file.key, str(undecodable(error)))
                if file.named and (is_gone(file.path) or self._unreadable.is_over(file)):
                    _log.error("%s is given up: %s", file.key[0], file.reason)
                    self._forget([file.key])
            else:
                readable.append(file.path)
        if tried:
            self._unreadable.rest(began_s)
        for file in self._unreadable.overdue():
            self._failures.append((Failure(file.path, file.reason, unreadable=True), None))
        return readable

    def _waits(self, piece: Burst) -> bool:
        return bool(self._unreadable.files) and self._unreadable.holds_up(self._keys_of(piece.frames))

    def _frames(self, paths: Sequence[Path]) -> list[Frame]:
        """The usable frames of these files; the others are noted as failures or to be tried again."""
        keys, frames = self._watcher.unchanged(paths), list[Frame]()
        known = self._known(keys)
        for path in paths:
            self._heartbeat()
            if path in known or (path not in keys and not is_gone(path)):
                continue  # a picture that came before, or a file that is being written again
            if path in keys and self._is_open(path, keys[path]):
                continue
            try:
                frame = self._missing_times.timed(read_frame(path, self._zone))
            except UnreadableError as error:
                self._fail(path, keys.get(path), str(error))
                continue
            except FrameError as error:
                self._failures.append((Failure(path, str(error)), keys.get(path)))
            else:
                if path in keys:
                    self._keys[path] = [keys[path]]
                frames.append(frame)
                self._failures = [one for one in self._failures if one[0].file != path]  # its writer had paused
            if path in self._unreadable.files:
                self._unreadable.was_read(path)
        return frames

    def _fail(self, path: Path, key: Key | None, reason: str) -> None:
        """Note that a file cannot be read; it is gone if it has no key."""
        if key is None:
            self._failures.append((Failure(path, reason), None))
        else:
            self._unreadable.failed(path, key, reason, named=key in self._seen.unread)

    def _known(self, keys: Mapping[Path, Key]) -> set[Path]:
        """The files whose picture was handed over before or waits in `_unstored`; none if the trap took them."""
        if self._times == "trap":
            return set()
        done = dict[Path, tuple[Key, str]]()
        suspects, waiting = self._seen.of_known_size(keys), set[Path]()
        for path, key in keys.items():
            if path in suspects and (content := self._seen_content(path, key)) is not None:
                done[path] = key, content
            elif self._is_unstored(path, key):
                waiting.add(path)
                self._unreadable.files.pop(path, None)
        if done:
            _log.info("%d files hold pictures that were handed over before, e.g. %s", len(done), next(iter(done)).name)
            self._forget([key for key, _ in done.values()], dict(done.values()))
        return waiting | done.keys()

    def _seen_content(self, path: Path, key: Key) -> str | None:
        """The sha256 of a file whose picture was handed over; None for a new picture."""
        content = content_of(path, key[1])
        if content is None or not self._seen.holds(content):
            return None
        owners = [self._folder / name for name, _, _ in self._seen.owners(content)]
        return content if is_same(path, owners, self._zone) else None

    def _is_open(self, path: Path, key: Key) -> bool:
        """Whether a file is a copy of an open frame; a frame that it replaces (rewritten, renamed) is dropped."""
        if self._times == "trap":
            return False
        if self._unreadable.files:
            self._unreadable.forget_renamed(key)
        for other, (first, *_) in list(self._keys.items()):
            if other == path or (first[1:] == key[1:] and is_gone(other)):
                self._assembler.drop(other)
                del self._keys[other]
            elif first[1] == key[1] and self._is_copy(path, other, key[1]):
                self._keys[other].append(key)
                self._unreadable.files.pop(path, None)
                return True
        return False

    def _is_copy(self, path: Path, other: Path, size: int) -> bool:
        content = content_of(path, size)
        return content is not None and content == content_of(other, size) and is_same(path, [other], self._zone)

    def _is_unstored(self, path: Path, key: Key) -> bool:
        """Whether a file is a frame of a burst that waits to be stored; a renamed frame gets its new path."""
        for n, pending in enumerate(self._unstored):
            if all(size != key[1] for _, size, _ in pending.keys) or not (content := content_of(path, key[1])):
                continue
            owners = [one for one, known in pending.contents.items() if known == content]
            if not is_same(path, owners, self._zone):
                continue
            frames = tuple(
                replace(frame, path=path) if frame.path in owners and is_gone(frame.path) else frame
                for frame in pending.burst.frames
            )
            burst, contents = replace(pending.burst, frames=frames), {**pending.contents, path: content}
            self._unstored[n] = _PendingBurst(burst, (*pending.keys, key), contents)
            return True
        return False

    def _hand_over(self, pending: _PendingBurst) -> Iterator[ArrivedBurst]:
        self._refused, self._unread, self._contents = False, (), {}
        if not (self._seen.was_offered(pending.keys) and self._was_taken(pending.keys)):
            # Files that failed before are not offered: after a crash, `taken` could not tell whether they were stored.
            self._seen.offer([key for key in pending.keys if self._folder / key[0] not in self._unreadable.files])
            yield pending.burst
        if not self._refused:
            self._finish(pending)
        elif self._unread:
            self._take_back(pending)
        else:
            self._unstored.append(replace(pending, contents=self._contents))
            self._retry_at_s = self._clock() + RETRY_S

    def _finish(self, pending: _PendingBurst) -> None:
        """Note that the burst is stored; files that it was scored without are still tried."""
        for key in pending.keys:
            if (path := self._folder / key[0]) in self._unread:
                self._unreadable.failed(path, key, "cannot be read", named=True)
        left_out = {*self._unread, *(failure.file for failure in pending.burst.failures if failure.unreadable)}
        done = {key: self._folder / key[0] for key in pending.keys if self._folder / key[0] not in left_out}
        contents = {key: self._contents[path] for key, path in done.items() if path in self._contents}
        self._forget([*done], contents, self._unreadable.keys(left_out) if left_out else ())

    def _forget(
        self, keys: Sequence[Key], contents: Mapping[Key, str] | None = None, unread: Sequence[Key] = ()
    ) -> None:
        """Write these files to the ledger as done, and remove them everywhere else."""
        self._seen.finish(keys, contents, unread)
        self._watcher.forget(keys)
        for name, _, _ in keys if self._unreadable.files else ():
            self._unreadable.forget(self._folder / name)

    def _take_back(self, pending: _PendingBurst) -> None:
        """Open the frames of a burst again: they wait for its files that cannot be read."""
        keys, burst = {self._folder / key[0]: key for key in pending.keys}, pending.burst
        frames = [frame for frame in burst.frames if frame.path not in self._unread]
        for path in self._unread:
            self._fail(path, keys.pop(path, None), "cannot be read")
        if burst.time_source != "exif":
            self._missing_times.note(burst.frames)
        self._assembler.take_back(burst.frames, frames, self._clock())
        self._failures += [(failure, keys.pop(failure.file, None)) for failure in burst.failures]
        self._keys.update({frame.path: [keys.pop(frame.path)] for frame in frames if frame.path in keys})
        if frames and frames[0].path in self._keys:
            self._keys[frames[0].path] += keys.values()  # keys of copies
        else:
            self._watcher.forget(keys.values())

    def _keys_of(self, frames: Iterable[Frame]) -> list[Key]:
        return [key for frame in frames for key in self._keys.get(frame.path, ())]

    def _still_there(self, pending: _PendingBurst) -> _PendingBurst:
        """The burst without the frames whose files are gone by now; these become failures."""
        burst = pending.burst
        gone = [frame for frame in burst.frames if is_gone(frame.path)]
        frames = tuple(frame for frame in burst.frames if frame not in gone)
        failures = (*burst.failures, *(Failure(frame.path, "gone before it could be stored") for frame in gone))
        return replace(pending, burst=replace(burst, frames=frames, failures=failures))

    def _arrived(self, burst: Burst) -> _PendingBurst:
        source: TimeSource = self._times if self._missing_times.were_used(burst.frames) else "exif"
        late = any(frame.path in self._unreadable.files for frame in burst.frames)
        earlier = self._assembler.earlier(burst) if late else None
        keys = self._keys_of(burst.frames)
        for frame in burst.frames:
            self._keys.pop(frame.path, None)
        pending = self._pending(self._name(burst), burst.frames, keys, burst.continues, source)
        if earlier is None:
            return pending
        return replace(pending, burst=replace(pending.burst, continues=True, event_of=self._name(earlier)))

    def _name(self, burst: Burst) -> str:
        return burst.frames[0].path.relative_to(self._folder).as_posix()

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
        """A pending burst that also carries the failures noted since the last one."""
        failed, self._failures = self._failures, []
        all_keys = [key for key in (*keys, *(key for _, key in failed)) if key is not None]
        failures = tuple(failure for failure, _ in failed)
        patient = not self._unreadable.files or self._unreadable.may_wait([frame.path for frame in frames])
        camera = self._assembler.camera_of(frames[0].path) if frames else ""
        burst = ArrivedBurst(name, frames, failures, continues, source, patient=patient, camera=camera)
        return _PendingBurst(burst, tuple(all_keys))

    def _settle_offered(self) -> None:
        """Mark bursts as done that were offered before a crash and that the outbox has."""
        for keys in self._seen.offered:
            if self._was_taken(keys):
                self._seen.finish([key for key in keys if key not in self._seen.unread])

    def _was_taken(self, keys: Sequence[Key]) -> bool:
        hashes = set[str]()
        for key in keys:
            self._heartbeat()
            if content := content_of(self._folder / key[0], key[1]):
                hashes.add(content)
        if taken := bool(hashes) and self._taken(hashes):
            _log.info("burst of %s was stored before", keys[0][0])
        return taken
