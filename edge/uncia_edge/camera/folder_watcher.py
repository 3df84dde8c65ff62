"""Files that become complete in a folder that another program writes into.

Decides when a file counts: when its writer closed it or renamed it in and its bytes are a whole picture, or when it has
stayed the same for `settle_s`. inotify tells of the first at once; the second needs nothing but looking, and is what
network file systems get, where inotify sees only this machine's own writes. A rescan finds what inotify missed.
"""

import logging
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import check_jpeg
from uncia_contract.pictures.picture_files import is_picture
from uncia_edge.camera.seen_files import Key, Ledger, key_of

_log = logging.getLogger(__name__)

# File systems on which inotify does not see what other machines write.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"})
Mode = Literal["auto", "inotify", "polling"]


@dataclass
class _Candidate:
    key: Key
    since_s: float
    closed: bool = False


class Arrivals:
    """New complete files below `folder`; those in the ledger are old.

    Args:
        folder: looked into at any depth, as cameras make sub-folders (DCIM/100RECNX).
        ledger: what was handed over before.
        mode: `auto` takes inotify where it works.
        settle_s: how long a file must stay the same when nobody told that it was closed.
        clock: monotonic seconds.
        beat: called with every file that is looked at: a share may take minutes over a full card.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        mode: Mode = "auto",
        settle_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._ledger, self._settle_s, self._clock, self._beat = folder, ledger, settle_s, clock, beat
        self._candidates: dict[Path, _Candidate] = {}
        self._handed: dict[Path, Key] = {}
        self._told: queue.SimpleQueue[tuple[Path, bool]] = queue.SimpleQueue()
        self._observer = None if mode == "polling" else _observe(folder, self._told, must=mode == "inotify")
        self.away: str | None = None  # why the folder could not be looked into the last time
        self._closed: set[Path] = set()  # folders in it that could not be
        self._rescan_s = 60.0 if self._observer else settle_s
        self._next_scan_s = clock()

    @property
    def by_inotify(self) -> bool:
        """Whether the kernel tells us; else we look."""
        return self._observer is not None

    def ready(self, timeout_s: float) -> list[Path]:
        """The files that became complete, the oldest first, after waiting at most `timeout_s` for news."""
        self._listen(timeout_s)
        now_s = self._clock()
        if now_s >= self._next_scan_s:
            for path in self._pictures():
                self._consider(path, closed=False)
            # A look at a hundred thousand files takes seconds, on a share minutes: it rests four times as long.
            self._next_scan_s = now_s + max(self._rescan_s, 5 * (self._clock() - now_s))
        complete = [path for path in list(self._candidates) if self._is_complete(path, now_s)]
        return sorted(complete, key=lambda path: (self._handed[path][2], path))

    def still(self, path: Path) -> Key | None:
        """What a complete file is; None where it has changed since, or is gone: then it is looked at anew."""
        try:
            key = key_of(path, self._folder)
        except OSError:
            key = None
        if self._handed.get(path) == key:
            return key
        self._handed.pop(path, None)
        return None

    def forget(self, keys: Iterable[Key]) -> None:
        """The ledger knows of these from now on."""
        for key in keys:
            if self._handed.get(path := self._folder / key[0]) == key:
                del self._handed[path]

    def settling(self) -> bool:
        """Whether files are being waited for."""
        return bool(self._candidates)

    def close(self) -> None:
        """Stop listening."""
        if self._observer is None:
            return
        chatter = logging.getLogger("watchdog.observers.inotify")
        chatter.disabled = True  # it calls being stopped an error
        self._observer.stop()
        self._observer.join(5)
        chatter.disabled = False

    def _listen(self, timeout_s: float) -> None:
        try:
            path, closed = self._told.get(timeout=timeout_s) if timeout_s > 0 else self._told.get_nowait()
            while True:
                if is_picture(path):
                    self._consider(path, closed)
                path, closed = self._told.get_nowait()
        except queue.Empty:
            return

    def _pictures(self) -> Iterator[Path]:
        try:
            yield from filter(is_picture, self._files(self._folder))
        except OSError as error:  # a card that was pulled, a share that is away: it comes back
            if self.away is None:
                _log.error("watched folder %s: %s", self._folder, error.strerror or error)
            self.away = error.strerror or str(error)
            return
        if self.away is not None:
            _log.info("watched folder %s can be read again", self._folder)
            self.away = None

    def _files(self, folder: Path) -> Iterator[Path]:
        """Every file below a folder, one at a time: a full card's names need no memory.

        What cannot be looked into hides nothing beside it: `lost+found` is another's, and a card rots in places.
        """
        folders = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._beat()
                if (kind := _kind(entry)) == "folder":
                    folders.append(folder / entry.name)
                elif kind == "file":
                    yield folder / entry.name
        for below in folders:
            try:
                yield from self._files(below)
            except OSError as error:
                if below not in self._closed:
                    _log.warning("watched folder %s: %s", below, error.strerror or error)
                self._closed.add(below)

    def _consider(self, path: Path, closed: bool) -> None:
        try:
            key = key_of(path, self._folder)
        except OSError:
            return
        if key in self._ledger or self._handed.get(path) == key:
            return
        known = self._candidates.get(path)
        if known is None or known.key != key:
            self._candidates[path] = _Candidate(key, self._clock(), closed)
        else:
            known.closed = known.closed or closed

    def _is_complete(self, path: Path, now_s: float) -> bool:
        self._beat()
        candidate = self._candidates[path]
        try:
            key = key_of(path, self._folder)
        except OSError:
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
    """A link to a folder is none of ours: it may lead round in a circle."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file() else "other"
    except OSError:  # a link to itself, an entry on a rotten part of the card
        return "other"


class _Teller(FileSystemEventHandler):
    """Passes on what inotify says; runs in watchdog's thread."""

    def __init__(self, told: "queue.SimpleQueue[tuple[Path, bool]]") -> None:
        self._told = told

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note a file that was made, closed after writing, or renamed in."""
        if event.is_directory:
            return
        if event.event_type in ("closed", "created"):
            self._told.put((Path(str(event.src_path)), event.event_type == "closed"))
        elif event.event_type == "moved":
            self._told.put((Path(str(event.dest_path)), True))


def _observe(folder: Path, told: "queue.SimpleQueue[tuple[Path, bool]]", must: bool) -> Any:
    if not must and file_system(folder) in REMOTE:
        return None
    observer = Observer()
    observer.schedule(_Teller(told), str(folder), recursive=True)
    try:
        observer.start()
    except OSError as error:  # no inotify here, or no watches left
        if must:
            raise
        _log.warning("watched folder %s: no inotify (%s); looking every few seconds instead", folder, error)
        return None
    return observer


def file_system(folder: Path) -> str:
    """The type of the file system that a folder lies on; empty where the machine does not tell."""
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
