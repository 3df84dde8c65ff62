"""The ledger of a watched folder: which of its files were handed over, kept over restarts.

A file is identified by path, size and modification time (its key). Each burst is written twice: as `offered` before
the trap sees it, and as `done` once the trap has stored it. After a crash in between, the camera asks the outbox
whether the burst was taken, so that no burst is lost or stored twice. If the card cannot be written, the entries are
kept in memory and written when it can be again.

The ledger has five kinds of lines:
- `offered`, `done`: the keys of a burst.
- `gone`: keys that are no longer needed.
- `unread`: files that their burst was scored without, and that are still tried (`unreadable_files`).
- `content`: the sha256 of files that are done; it identifies them under another time or name.
A reader of release 0.1 skips the kinds that it does not know.

Files that were deleted are dropped from the ledger, so that it does not grow for years. Two exceptions:
- While no file of the folder is there, all are kept: a card is out or a share is offline, and all would come again.
- The newest `GONE_KEPT` are kept: a card may be swapped for another one and come back.
A card may hold 100,000 files, so memory holds only two hashes for each: of its key and of its content.
"""

import errno
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_contract.files import make_folder, write_durable
from uncia_edge.camera.cameras import FILES_A_HEARTBEAT

_log = logging.getLogger(__name__)

Key = tuple[str, int, int]  # path below the folder, size in bytes, modification time in nanoseconds
GONE_KEPT = 20_000  # deleted files that are remembered
REWRITTEN_AFTER = 5_000  # appended lines; a burst appends three or four
_CONTENTS_A_LINE = 50
_SIZES = 1 << 20  # bytes in the table of sizes


def is_gone(path: Path) -> bool:
    """Whether there is no such file. False if that cannot be found out (no permission, input/output error)."""
    try:
        path.stat()
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    return False


class SeenFiles:
    """An append-only file of JSON lines, fsynced for each burst, rewritten when it is opened and when it has grown.

    `heartbeat` is called while many files are checked.

    Raises:
        StorageError: the file cannot be read or written when it is opened.
    """

    def __init__(self, path: Path, folder: Path, heartbeat: Callable[[], None] = lambda: None) -> None:
        self.path, self._folder, self._heartbeat = path, folder, heartbeat
        self._offered: list[tuple[Key, ...]] = []
        self._done: set[int] = set()  # hashes of their keys and of their contents
        self._sizes = bytearray(_SIZES)  # [size % _SIZES] is 1 if the content of a file of such a size is known
        self._unread: dict[Key, None] = {}
        self._unwritten, self._appended = "", 0
        try:
            make_folder(path.parent)
            self._load()
            self._rewrite()
        except OSError as error:
            raise StorageError(f"ledger of the watched folder {path}: {error}") from error

    def __contains__(self, key: Key) -> bool:
        return hash(key) in self._done

    def new(self, keys: Mapping[Path, Key]) -> list[Path]:
        """The files among these that were not handed over."""
        return [path for path, key in keys.items() if hash(key) not in self._done]

    def of_known_size(self, keys: Mapping[Path, Key]) -> set[Path]:
        """The files among these whose size was seen before, so that their content may be known."""
        return {path for path, (_, size, _) in keys.items() if self._sizes[size % _SIZES]}

    def holds(self, sha256: str) -> bool:
        """Whether a file with this content was handed over."""
        return hash(sha256) in self._done

    def owners(self, sha256: str) -> list[Key]:
        """The keys of the files that had this content when they were handed over."""
        return [key for key, known in self._contents(sha256) if known == sha256]

    @property
    def unread(self) -> Collection[Key]:
        """The keys of files that their burst was scored without, and that are still tried."""
        return self._unread.keys()

    @property
    def offered(self) -> list[tuple[Key, ...]]:
        """The keys of each burst that was offered and is not known to be done."""
        return list(self._offered)

    def was_offered(self, keys: Sequence[Key]) -> bool:
        """Whether one of these files was offered before and is not known to be done."""
        return any(key in group for group in self._offered for key in keys)

    def offer(self, keys: Sequence[Key]) -> None:
        """Note that these files are about to be handed over."""
        if tuple(keys) not in self._offered:
            self._offered.append(tuple(keys))
            self._append(_line("offered", keys))

    def finish(
        self, keys: Sequence[Key], contents: Mapping[Key, str] | None = None, unread: Sequence[Key] = ()
    ) -> None:
        """Note that these files were handed over and that their burst is stored.

        A file that is gone by now is not remembered, because it cannot come again; but if its content is known it is,
        because it may have been renamed. `unread` are the files that are still tried. Their line is written first, so
        that none of them counts as done together with its burst.
        """
        contents = contents or {}
        there = [key for key, is_there in zip(keys, self._are_there(keys), strict=True) if is_there or key in contents]
        self._unread.update(dict.fromkeys(unread))
        self._settle(keys, there)
        for (_, size, _), sha256 in contents.items():
            self._done.add(hash(sha256))
            self._sizes[size % _SIZES] = 1
        gone = [key for key in keys if key not in there]
        lines = _line("unread", unread) + _line("done", there) + _line("gone", gone)
        self._append(lines + _line("content", [(*key, sha256) for key, sha256 in contents.items()]))
        if self._appended >= REWRITTEN_AFTER:
            self._rewrite_later()

    def _settle(self, keys: Collection[Key], remembered: Iterable[Key]) -> None:
        self._done.update(map(hash, remembered))
        for key in self._unread.keys() & set(keys):
            del self._unread[key]
        settled = {*keys, *self._unread}
        self._offered = [group for group in self._offered if not all(key in settled or key in self for key in group)]

    def _load(self) -> None:
        for kind, keys in self._entries("offered", "unread", "done", "gone"):
            if kind == "offered":
                self._offered.append(keys)
            elif kind == "unread":
                self._unread.update(dict.fromkeys(keys))
            else:
                self._settle(keys, keys if kind == "done" else ())

    def _entries(self, *kinds: str) -> Iterator[tuple[str, tuple[Key, ...]]]:
        """Yield kind and keys of each line of these kinds, also of lines that are not written yet."""
        begins = tuple(f'["{kind}"' for kind in kinds)
        for line in self._lines():
            if not line.startswith(begins):
                continue
            try:
                kind, keys = json.loads(line)
                yield kind, tuple((str(name), int(size), int(modified)) for name, size, modified in keys)
            except (ValueError, TypeError):
                continue  # a line cut short by a power cut or a full card

    def _contents(self, part: str = "") -> Iterator[tuple[Key, str]]:
        """Yield key and sha256 of each file in the `content` lines that contain the text `part`."""
        for line in self._lines():
            if line.startswith('["content"') and part in line:
                with suppress(ValueError, TypeError):
                    for name, size, modified, sha256 in json.loads(line)[1]:
                        yield (str(name), int(size), int(modified)), str(sha256)

    def _lines(self) -> Iterator[str]:
        with suppress(FileNotFoundError), self.path.open(encoding="utf-8", errors="replace") as stream:
            yield from stream
        yield from self._unwritten.splitlines()

    def _known(self) -> Iterator[Key]:
        """Yield each file that is done, once, in the order in which they were handed over."""
        found = set()
        for _, keys in self._entries("done"):
            for key in keys:
                if hash(key) not in found:
                    found.add(hash(key))
                    yield key

    def _rewrite(self) -> None:
        there = bytearray(self._are_there(self._known()))
        surplus = there.count(0) - GONE_KEPT if 1 in there else 0
        content, done = bytearray(), set()
        for is_there, key in zip(there, self._known(), strict=True):
            if not is_there and surplus > 0:
                surplus -= 1
                continue
            content += _line("done", [key]).encode()
            done.add(hash(key))
        content += _line("unread", [*self._unread]).encode()
        content += b"".join(_line("offered", group).encode() for group in self._offered)
        known = (one for one in self._contents() if hash(one[0]) in done)
        sizes = bytearray(_SIZES)
        while some := list(islice(known, _CONTENTS_A_LINE)):
            content += _line("content", [(*key, sha256) for key, sha256 in some]).encode()
            for (_, size, _), sha256 in some:
                done.add(hash(sha256))
                sizes[size % _SIZES] = 1
        write_durable(self.path, bytes(content))
        self._done, self._sizes, self._unwritten, self._appended = done, sizes, "", 0

    def _rewrite_later(self) -> None:
        try:
            self._rewrite()
        except OSError as error:
            _log.error("ledger of the watched folder %s: %s; it is not shortened for now", self.path, error)
            self._appended = 0

    def _are_there(self, keys: Iterable[Key]) -> Iterator[bool]:
        for number, key in enumerate(keys, start=1):
            if number % FILES_A_HEARTBEAT == 0:
                self._heartbeat()
            yield not is_gone(self._folder / key[0])

    def _append(self, lines: str) -> None:
        self._unwritten += lines
        self._appended += lines.count("\n")
        try:
            with self.path.open("ab") as stream:
                stream.write(self._unwritten.encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            _log.error("ledger of the watched folder %s: %s; kept in memory for now", self.path, error)
            self._unwritten = "\n" + self._unwritten.lstrip("\n")  # the file may now end in half a line
            return
        self._unwritten = ""


def _line(kind: str, keys: Sequence[tuple[str | int, ...]]) -> str:
    return json.dumps([kind, [list(key) for key in keys]]) + "\n" if keys else ""
