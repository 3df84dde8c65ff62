"""Replays power cuts: the file operations of a real process, ended anywhere, with a random part of what was not synced.

A shim (power_cut.c, compiled here with `cc`, loaded by LD_PRELOAD) records each write, truncation, fsync, rename, link
and unlink below one folder. `Recording.states` then builds the disk as a power cut at a random moment may leave it:

1. Bytes that were fsynced are there.
2. A write that was not is there, or not, or torn at a multiple of 512 bytes, each decided by itself.
3. A folder's entries that were fsynced (by an fsync of the folder) are there. Of those that were not, either a prefix
   in order of their making (`ordered`, as a journal commits them) or a prefix in each folder by itself.
4. In an `ordered` state an fsync of anything also commits all folder entries made before it, as ext4 does.

It models what an operating system may lose. A card that lies about its cache, or dies, is not modelled.
"""

import os
import random
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uncia_contract.errors import StorageError

OPEN, WRITE, TRUNCATE, SYNC, CLOSE, RENAME, LINK, UNLINK, MKDIR, RMDIR = range(1, 11)
MARKS = "marks"  # the process writes a line to <root>/marks for each thing that must survive
_HEAD = struct.Struct("=BiqHHI")
_SECTOR = 512
_FOLDER = 0  # in place of a file's number


def compile_shim(folder: Path) -> Path:
    """The shim as a shared library in `folder`.

    Raises:
        StorageError: no compiler, or it refused.
    """
    source, library = Path(__file__).with_suffix(".c"), folder / "power_cut.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise StorageError("no C compiler for the power-cut shim; install gcc")
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StorageError(f"the power-cut shim does not compile: {done.stderr[:300]}")
    return library


def leave_out_folder_fsyncs() -> None:
    """Make `os.fsync` of a folder do nothing in this process, to test that the harness finds the losses."""
    fsync = os.fsync
    os.fsync = lambda descriptor: None if stat.S_ISDIR(os.fstat(descriptor).st_mode) else fsync(descriptor)


def record(command: Sequence[str], root: Path, library: Path, environment: Mapping[str, str]) -> "Recording":
    """Run a command with the shim; return the recording of what it did below `root`, which must be empty.

    Raises:
        StorageError: the command failed.
    """
    log = root.with_name(root.name + ".log")
    settings = {**os.environ, **environment, "LD_PRELOAD": str(library), "UNCIA_ROOT": str(root), "UNCIA_LOG": str(log)}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise StorageError(f"the recorded process failed: {done.stderr[-2000:]}")
    return Recording(root, _read_log(log))


@dataclass(frozen=True)
class Operation:
    """One recorded call of the process."""

    kind: int
    fd: int
    number: int
    path: str
    second: str
    content: bytes


@dataclass
class _Write:
    at: int  # index of the operation
    offset: int
    content: bytes | None  # None: truncation to `offset`
    synced_at: int | None = None


@dataclass
class _Entry:
    """One change of folder entries: `name` is now `file`, or removed; a rename removes `old`."""

    at: int
    name: str
    file: int | None
    old: str | None = None
    synced_at: int | None = None
    committed_at: int | None = None  # by any later fsync, where the journal keeps order

    @property
    def folder(self) -> str:
        return str(Path(self.name).parent)


@dataclass
class _History:
    writes: dict[int, list[_Write]] = field(default_factory=dict)
    entries: list[_Entry] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)


class Recording:
    """The calls of one process, and the disks that a power cut may leave."""

    def __init__(self, root: Path, operations: list[Operation]) -> None:
        self._root = root
        self._length = len(operations)
        self._history = _understand(operations, root)

    @property
    def operations(self) -> int:
        """How many calls were recorded."""
        return self._length

    def states(self, count: int, target: Path, seed: int = 0) -> Iterator[list[str]]:
        """Build `count` disks below `target`, one after another; yield the marks that were written before the cut."""
        chance = random.Random(seed)
        for _ in range(count):
            moment = chance.randrange(self._length)
            shutil.rmtree(target, ignore_errors=True)
            self._build(moment, target, chance)
            yield [line for at, line in self._history.marks if at <= moment]

    def _build(self, moment: int, target: Path, chance: random.Random) -> None:
        names = self._names(moment, chance)
        target.mkdir(parents=True)
        folders = {name for name, file in names.items() if file == _FOLDER} | {"."}
        contents: dict[int, bytes] = {}
        for name, file in sorted(names.items()):
            if name.endswith("-shm") or not {str(parent) for parent in Path(name).parents} <= folders:
                continue  # shared memory, not a file's content; or its folder is lost, and all in it
            if file == _FOLDER:
                (target / name).mkdir()
                continue
            if file not in contents:
                contents[file] = self._content(file, moment, chance)
            (target / name).write_bytes(contents[file])

    def _names(self, moment: int, chance: random.Random) -> dict[str, int]:
        past = [entry for entry in self._history.entries if entry.at <= moment]
        ordered = chance.random() < 0.5
        safe = {
            index
            for index, entry in enumerate(past)
            if (reached := entry.committed_at if ordered else entry.synced_at) is not None and reached <= moment
        }
        if ordered:
            kept = safe | set(range(chance.randrange(len(past) + 1)))
        else:
            kept = safe | _prefixes([entry.folder for entry in past], chance)
        names: dict[str, int] = {}
        for index, entry in enumerate(past):
            if index in kept:
                _apply(names, entry)
        return names

    def _content(self, file: int, moment: int, chance: random.Random) -> bytes:
        content = bytearray()
        for write in self._history.writes.get(file, []):
            if write.at > moment:
                break
            safe = write.synced_at is not None and write.synced_at <= moment
            if safe:
                _write(content, write, None)
            elif chance.random() < 0.5:
                torn = write.content is not None and chance.random() < 0.3
                size = len(write.content or b"")
                _write(content, write, chance.randrange(0, size + 1, _SECTOR) if torn else None)
        return bytes(content)


def _prefixes(folders: list[str], chance: random.Random) -> set[int]:
    """Indices of a random prefix within each folder."""
    kept: set[int] = set()
    for folder in set(folders):
        own = [index for index, name in enumerate(folders) if name == folder]
        kept |= set(own[: chance.randrange(len(own) + 1)])
    return kept


def _apply(names: dict[str, int], entry: _Entry) -> None:
    if entry.old is not None:
        names.pop(entry.old, None)
    if entry.file is None:
        names.pop(entry.name, None)
    else:
        names[entry.name] = entry.file


def _write(content: bytearray, write: _Write, cut: int | None) -> None:
    if write.content is None:
        del content[write.offset :]
        content.extend(bytes(max(0, write.offset - len(content))))
        return
    part = write.content if cut is None else write.content[:cut]
    if len(content) < write.offset:
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(part)] = part


def _read_log(path: Path) -> list[Operation]:
    data, at, operations = path.read_bytes(), 0, []
    while at + _HEAD.size <= len(data):
        kind, fd, number, first, second, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        parts = []
        for length in (first, second, size):
            parts.append(data[at : at + length])
            at += length
        operations.append(Operation(kind, fd, number, parts[0].decode(), parts[1].decode(), parts[2]))
    return operations


class _Reader:
    """Tracks descriptors and names through the recording."""

    def __init__(self, root: Path) -> None:
        self.history = _History()
        self._root = str(root)
        self.folders: set[str] = set()
        self._names: dict[str, int] = {}
        self._files: dict[int, int] = {}  # fd -> file
        self._folders: dict[int, str] = {}  # fd -> folder
        self._marks: set[int] = set()
        self._next = 0

    def follow(self, at: int, operation: Operation) -> None:
        path, second = self._inside(operation.path), self._inside(operation.second)
        match operation.kind:
            case 1:
                self._open(at, operation, path)
            case 2 if operation.fd in self._marks:
                self.history.marks += [(at, line) for line in operation.content.decode().splitlines()]
            case 2 if operation.fd in self._files:
                self._change(at, operation.fd, operation.number, operation.content)
            case 3 if operation.fd in self._files:
                self._change(at, operation.fd, operation.number, None)
            case 4:
                self._sync(at, operation.fd)
            case 5:
                for table in (self._files, self._folders):
                    table.pop(operation.fd, None)
                self._marks.discard(operation.fd)
            case 6:
                self._enter(at, second, self._names.pop(path, None), path)
            case 7:
                self._enter(at, second, self._names.get(path), None)
            case 8:
                self._names.pop(path, None)
                self.history.entries.append(_Entry(at, path, None))
            case 9:
                self.folders.add(path)
                self.history.entries.append(_Entry(at, path, _FOLDER))

    def _inside(self, path: str) -> str:
        return path[len(self._root) :].lstrip("/") if path.startswith(self._root) else path

    def _open(self, at: int, operation: Operation, path: str) -> None:
        if path == MARKS:
            self._marks.add(operation.fd)
            return
        if operation.number & os.O_DIRECTORY or path in self.folders or not path:
            self._folders[operation.fd] = path or "."
            return
        if path not in self._names:
            self._next += 1
            self._enter(at, path, self._next, None)
        self._files[operation.fd] = self._names[path]
        if operation.number & os.O_TRUNC:
            self._change(at, operation.fd, 0, None)

    def _enter(self, at: int, name: str, file: int | None, old: str | None) -> None:
        if file is None:
            raise StorageError(f"the recording renames or links {old or name}, which it never saw made")
        self._names[name] = file
        self.history.entries.append(_Entry(at, name, file, old))

    def _change(self, at: int, fd: int, offset: int, content: bytes | None) -> None:
        self.history.writes.setdefault(self._files[fd], []).append(_Write(at, offset, content))

    def _sync(self, at: int, fd: int) -> None:
        if fd in self._folders:
            for entry in self.history.entries:
                if entry.folder == self._folders[fd] and entry.synced_at is None:
                    entry.synced_at = at
        for write in self.history.writes.get(self._files.get(fd, -1), []):
            write.synced_at = write.synced_at or at
        for entry in self.history.entries:
            entry.committed_at = entry.committed_at or at


def _understand(operations: list[Operation], root: Path) -> _History:
    reader = _Reader(root)
    for at, operation in enumerate(operations):
        reader.follow(at, operation)
    return reader.history
