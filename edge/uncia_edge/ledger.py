"""Which files of a watched folder were already handed over, kept over restarts.

Decides nothing about bursts. A file is known by path, size and modification time. A burst is entered twice: as offered
before the trap sees it, and as done once the trap has it safe; so that after a crash in between the camera can ask the
outbox whether it was taken, and neither loses nor doubles it.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_edge import durable

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
        StorageError: it cannot be read or written.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self._folder = path, folder
        self.offered: list[Key] = []  # offered, and not known to be done
        self._done: set[Key] = set()
        try:
            durable.make_folder(path.parent)
            self._load()
            self._rewrite()
        except OSError as error:
            raise StorageError(f"ledger of the watched folder {path}: {error}") from error

    def __contains__(self, key: Key) -> bool:
        return key in self._done

    def offer(self, keys: Sequence[Key]) -> None:
        """These are about to be handed over."""
        self.offered = list(keys)
        self._append("offered", keys)

    def finish(self, keys: Sequence[Key]) -> None:
        """These were handed over, and what came of them is safe."""
        self.offered = []
        self._done.update(keys)
        self._append("done", keys)

    def _load(self) -> None:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                kind, keys = json.loads(line)
                read = [(str(name), int(size), int(modified)) for name, size, modified in keys]
            except (ValueError, TypeError):
                continue  # a line torn by a power cut
            self.offered = read if kind == "offered" else []
            if kind == "done":
                self._done.update(read)

    def _rewrite(self) -> None:
        """Forget files that are gone, so that the ledger grows with the folder and not with the years."""
        self._done = {key for key in self._done if (self._folder / key[0]).exists()}
        lines = [_line("done", [key]) for key in sorted(self._done)]
        if self.offered:
            lines.append(_line("offered", self.offered))
        durable.write_bytes(self.path, "".join(lines).encode())

    def _append(self, kind: str, keys: Iterable[Key]) -> None:
        try:
            with self.path.open("ab") as stream:
                stream.write(_line(kind, keys).encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StorageError(f"ledger of the watched folder {self.path}: {error}") from error


def _line(kind: str, keys: Iterable[Key]) -> str:
    return json.dumps([kind, [list(key) for key in keys]]) + "\n"
