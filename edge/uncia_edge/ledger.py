"""Which files of a watched folder were already handed over, kept over restarts.

Decides nothing about bursts. A file is known by path, size and modification time. A burst is entered twice: as offered
before the trap sees it, and as done once the trap has it safe; so that after a crash in between the camera can ask the
outbox whether it was taken, and neither loses nor doubles it. On a card that refuses to be written the entries are kept
in memory, and written as soon as it lets us.
"""

import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_edge import durable

_log = logging.getLogger(__name__)

Key = tuple[str, int, int]


def key_of(path: Path, folder: Path) -> Key:
    """Path below `folder`, size in bytes, modification time in nanoseconds.

    Raises:
        OSError: the file is gone.
    """
    about = path.stat()
    return path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns


class Ledger:
    """An append-only file of JSON lines, fsynced with each burst, rewritten when opened.

    Raises:
        StorageError: it cannot be read or written when it is opened.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self._folder = path, folder
        self._offered: list[tuple[Key, ...]] = []
        self._done: set[Key] = set()
        self._unwritten = ""
        try:
            durable.make_folder(path.parent)
            self._load()
            self._rewrite()
        except OSError as error:
            raise StorageError(f"ledger of the watched folder {path}: {error}") from error

    def __contains__(self, key: Key) -> bool:
        return key in self._done

    @property
    def offered(self) -> list[tuple[Key, ...]]:
        """The bursts that were offered and are not known to be done."""
        return list(self._offered)

    def offer(self, keys: Sequence[Key]) -> None:
        """These are about to be handed over."""
        if tuple(keys) not in self._offered:
            self._offered.append(tuple(keys))
            self._append("offered", keys)

    def finish(self, keys: Sequence[Key]) -> None:
        """These were handed over, and what came of them is safe."""
        self._settle(keys)
        self._append("done", keys)

    def _settle(self, keys: Iterable[Key]) -> None:
        self._done.update(keys)
        self._offered = [group for group in self._offered if not self._done.issuperset(group)]

    def _load(self) -> None:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                kind, keys = json.loads(line)
                read = tuple((str(name), int(size), int(modified)) for name, size, modified in keys)
            except (ValueError, TypeError):
                continue  # a line torn by a power cut, or by a full card
            if kind == "offered":
                self._offered.append(read)
            elif kind == "done":
                self._settle(read)

    def _rewrite(self) -> None:
        """Forget files that are gone, so that the ledger grows with the folder and not with the years."""
        self._done = {key for key in self._done if self._is_there(key)}
        self._offered = [group for group in self._offered if any(map(self._is_there, group))]
        lines = [_line("done", [key]) for key in sorted(self._done)]
        lines += [_line("offered", group) for group in self._offered]
        durable.write_bytes(self.path, "".join(lines).encode())

    def _is_there(self, key: Key) -> bool:
        return (self._folder / key[0]).exists()

    def _append(self, kind: str, keys: Iterable[Key]) -> None:
        self._unwritten += _line(kind, keys)
        try:
            with self.path.open("ab") as stream:
                stream.write(self._unwritten.encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            _log.error("ledger of the watched folder %s: %s; kept in memory for now", self.path, error)
            self._unwritten = "\n" + self._unwritten.lstrip("\n")  # what was written may end in half a line
            return
        self._unwritten = ""


def _line(kind: str, keys: Iterable[Key]) -> str:
    return json.dumps([kind, [list(key) for key in keys]]) + "\n"
