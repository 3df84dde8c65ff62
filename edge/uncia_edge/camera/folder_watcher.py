"""Finds files in a folder that another program writes into, and decides when each is complete.

A file is complete in two cases: its writer closed it (or moved it into the folder) and its bytes are a whole picture;
or it has not changed for `settle_s`. inotify reports the first case at once. Polling finds the second; network file
systems are polled, because there inotify reports only what this machine writes. A regular rescan finds the files that
inotify missed.
"""

import logging
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import check_jpeg
from uncia_contract.pictures.picture_files import is_in_skipped_folder, is_picture, is_skipped_folder
from uncia_edge.camera.cameras import FILES_A_HEARTBEAT
from uncia_edge.camera.seen_files import Key, SeenFiles

_log = logging.getLogger(__name__)

# File systems on which inotify does not see what other machines write.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"})
Mode = Literal["auto", "inotify", "polling"]


def key_of(path: Path, folder: Path) -> Key:
    """Path below `folder`, size in bytes, modification time in nanoseconds.

    Raises:
        OSError: the file is gone or cannot be looked at.
    """
    about = path.stat()
    return path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns


@dataclass
class _Candidate:
    key: Key
    since_s: float
    closed: bool = False


class FolderWatcher:
    """Watches for new files below `folder` and tells when they are complete.

    Args:
        folder: searched at any depth, because cameras make sub-folders (DCIM/100RECNX).
        seen: the files that were handed over before; they are not new.
        mode: `auto` uses inotify if it works here.
        settle_s: how long a file must stay unchanged if no event says that it was closed.
        clock: monotonic seconds.
        heartbeat: called during a scan: a full card on a network share may take minutes.
        once: for a pass, which cannot wait for a file to change: a file untouched for `settle_s` counts as closed.
    """

    def __init__(
        self,
        folder: Path,
        seen: SeenFiles,
        mode: Mode = "auto",
        settle_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        heartbeat: Callable[[], None] = lambda: None,
        once: bool = False,
    ) -> None:
        self._folder, self._seen, self._settle_s, self._once = folder, seen, settle_s, once
        self._clock, self._heartbeat = clock, heartbeat
        self._candidates: dict[Path, _Candidate] = {}
        self._handed: dict[Path, Key] = {}
        self._events: queue.SimpleQueue[tuple[Path, bool]] = queue.SimpleQueue()
        self._observer = None if mode == "polling" else _observe(folder, self._events, must=mode == "inotify")
        self.by_inotify = self._observer is not None  # else only rescans find new files
        self.away: str | None = None  # why the folder could not be read the last time
        self._unreadable: set[Path] = set()  # sub-folders that could not be read
        self._rescan_s = 60.0 if self._observer else settle_s
        self.has_looked = False  # True once a scan has read the whole folder
        self._next_scan_s = clock()

    def ready(self, timeout_s: float) -> list[Path]:
        """Wait at most `timeout_s` for events; return the files that became complete, oldest first."""
        if events := self._listen(timeout_s):
            self._consider(events)
        now_s = self._clock()
        if now_s >= self._next_scan_s:
            pictures = self._pictures()
            while some := dict.fromkeys(islice(pictures, FILES_A_HEARTBEAT), False):
                self._consider(some)
            # A scan of 100,000 files takes seconds, on a share minutes: pause four times as long as it took.
            self.has_looked = self.away is None
            self._next_scan_s = now_s + max(self._rescan_s, 5 * (self._clock() - now_s))
        complete = []
        for number, path in enumerate(list(self._candidates), start=1):
            if number % FILES_A_HEARTBEAT == 0:
                self._heartbeat()
            if self._is_complete(path, now_s):
                complete.append(path)
        return sorted(complete, key=lambda path: (self._handed[path][2], path))

    def unchanged(self, paths: Sequence[Path]) -> dict[Path, Key]:
        """The files that have not changed since they became complete, with their keys; the others must settle again."""
        keys = {path: self._key(path) for path in paths}
        for path in paths:
            if self._handed.get(path) != keys[path]:
                self._handed.pop(path, None)
        return {path: self._handed[path] for path in paths if path in self._handed}

    def forget(self, keys: Iterable[Key]) -> None:
        """Stop remembering these files as complete: `SeenFiles` knows them now."""
        for key in keys:
            if self._handed.get(path := self._folder / key[0]) == key:
                del self._handed[path]

    def age_s(self, path: Path) -> float:
        """In a pass, the seconds since a file was last changed (ctime); 0 in a folder that is watched.

        The clock may have been wrong at that time: a time in the future counts like one as far in the past.
        """
        try:
            return abs(time.time() - path.stat().st_ctime) if self._once else 0.0
        except OSError:
            return 0.0

    def is_waiting(self) -> bool:
        """Whether some files are not complete yet."""
        return bool(self._candidates)

    def close(self) -> None:
        """Stop inotify."""
        if self._observer is None:
            return
        inotify_log = logging.getLogger("watchdog.observers.inotify")
        inotify_log.disabled = True  # watchdog logs a normal stop as an error
        self._observer.stop()
        self._observer.join(5)
        inotify_log.disabled = False

    def _listen(self, timeout_s: float) -> dict[Path, bool]:
        """The pictures that inotify reported; True for each that its writer closed."""
        events: dict[Path, bool] = {}
        try:
            path, closed = self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait()
            while True:
                events[path] = closed or events.get(path, False)
                path, closed = self._events.get_nowait()
        except queue.Empty:
            return {path: closed for path, closed in events.items() if self._is_wanted(path)}

    def _is_wanted(self, path: Path) -> bool:
        return is_picture(path) and not is_in_skipped_folder(path.relative_to(self._folder))

    def _pictures(self) -> Iterator[Path]:
        try:
            yield from filter(is_picture, self._files(self._folder))
        except OSError as error:  # a card was pulled or a share is offline; it may come back
            if self.away is None:
                _log.error("watched folder %s: %s", self._folder, error.strerror or error)
            self.away = error.strerror or str(error)
            return
        if self.away is not None:
            _log.info("watched folder %s can be read again", self._folder)
            self.away = None

    def _files(self, folder: Path) -> Iterator[Path]:
        """Yield every file below a folder, one at a time, so that the names of a full card are never in memory.

        A sub-folder that cannot be read (`lost+found`, a damaged one) is logged once; the others are read.
        """
        folders = []
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number % FILES_A_HEARTBEAT == 0:
                    self._heartbeat()
                if (kind := _kind(entry)) == "folder":
                    if not is_skipped_folder(entry.name):
                        folders.append(folder / entry.name)
                elif kind == "file":
                    yield folder / entry.name
        for below in folders:
            try:
                yield from self._files(below)
            except OSError as error:
                if below not in self._unreadable:
                    _log.warning("watched folder %s: %s", below, error.strerror or error)
                self._unreadable.add(below)

    def _key(self, path: Path) -> Key | None:
        """The key of a file; None if the file is gone."""
        try:
            return key_of(path, self._folder)
        except OSError:
            return None

    def _consider(self, closed: Mapping[Path, bool]) -> None:
        """Make candidates of the new files among these; a value says whether the writer closed the file."""
        found = {path: key for path in closed if (key := self._key(path)) and self._handed.get(path) != key}
        for path in self._seen.new(found):
            known = self._candidates.get(path)
            if known is None or known.key != found[path]:
                is_closed = closed[path] or self.age_s(path) >= self._settle_s
                self._candidates[path] = _Candidate(found[path], self._clock(), is_closed)
            else:
                known.closed = known.closed or closed[path]

    def _is_complete(self, path: Path, now_s: float) -> bool:
        candidate, key = self._candidates[path], self._key(path)
        if key is None:
            del self._candidates[path]
            return False
        if key != candidate.key:
            candidate.key, candidate.since_s = key, now_s
        settled = now_s - candidate.since_s >= self._settle_s
        if not settled and not (candidate.closed and _is_whole(path)):
            return False
        del self._candidates[path]
        self._handed[path] = key
        return True


def _kind(entry: "os.DirEntry[str]") -> Literal["folder", "file", "other"]:
    """The kind of a folder's entry. A link to a folder is `other`: links may form a circle."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file() else "other"
    except OSError:  # a link to itself, or an entry on a damaged part of the card
        return "other"


class _EventQueue(FileSystemEventHandler):
    """Puts the events of inotify into a queue; runs in watchdog's thread."""

    def __init__(self, events: "queue.SimpleQueue[tuple[Path, bool]]") -> None:
        self._events = events

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Queue a file that was created, closed after writing, or moved into the folder."""
        if event.is_directory:
            return
        if event.event_type in ("closed", "created"):
            self._events.put((Path(str(event.src_path)), event.event_type == "closed"))
        elif event.event_type == "moved":
            self._events.put((Path(str(event.dest_path)), True))


def _observe(folder: Path, events: "queue.SimpleQueue[tuple[Path, bool]]", must: bool) -> Any:
    if not must and file_system(folder) in REMOTE:
        return None
    observer = Observer()
    observer.schedule(_EventQueue(events), str(folder), recursive=True)
    try:
        observer.start()
    except OSError as error:  # no inotify here, or no watches left
        if must:
            raise
        _log.warning("watched folder %s: no inotify (%s); looking every few seconds instead", folder, error)
        return None
    return observer


def file_system(folder: Path) -> str:
    """The type of the file system that holds a folder, e.g. `nfs4`; empty if unknown."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").strip().split("\n")
    except OSError:
        return ""
    here = str(folder.resolve()) + "/"
    for line in mounts:
        _, place, found, *_ = line.split(" ")
        place = place.replace("\\040", " ").rstrip("/") + "/"
        if here.startswith(place) and len(place) >= len(best):
            best, kind = place, found
    return kind


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as picture:
            check_jpeg(picture)
    except (OSError, FrameError):
        return False
    return True
