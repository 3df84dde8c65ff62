"""The outbox's files: each sequence's JPEGs, byte for byte as recorded, and its record beside them.

Decides names and durability of files; the state of each sequence is in the outbox's table. The record lies beside the
frames so that a lost table can be rebuilt. The files of a sequence share one of a hundred folders, so that one fsync
of the folder commits them all. They are written, fsynced and renamed as a batch, which is faster than one by one:

    frames/<two last characters of the id>/<id>.<n>.jpg
    frames/<two last characters of the id>/<id>.json
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Self

from uncia_contract.errors import MessageError, StorageError
from uncia_contract.files import TEMPORARY, make_folder, sync_folder
from uncia_contract.messages.records import SequenceRecord, decode, encode
from uncia_edge.outbox.source_files import Sign

_MOST_AT_ONCE = 1 << 30
_MOST_OPEN = 64  # files, of the 1,024 that a process may have


class FrameFiles:
    """The files of the sequences in one outbox, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_folder(folder)
        _make_folders(folder, [f"{number:02d}" for number in range(100)])

    def frame(self, sequence: str, n: int) -> Path:
        """The path of frame `n` of a sequence."""
        return self._shard(sequence) / f"{sequence}.{n}.jpg"

    def record(self, sequence: str) -> Path:
        """The path of a sequence's record."""
        return self._shard(sequence) / f"{sequence}.json"

    def put(
        self, record: SequenceRecord, files: Sequence[Path], owned: bool = False, signs: Sequence[Sign] = ()
    ) -> None:
        """Store record and frames durably; `files` are in the order of `record.frames`.

        Files that are `owned` by the trap are hard-linked. Other programs may write to other files again (a camera
        that reuses its names), so these are copied. The copy must hold the bytes that were scored: either the file's
        sign is unchanged (`signs`), or the copy is read and its sha256 compared.

        Raises:
            StorageError: the number of files is not that of the frames, or a file's size or sha256 is not its frame's.
            OSError: the card refused.
        """
        _check_sizes(record, files)
        shard = self._shard(record.id)
        make_folder(shard)
        with Staging() as staging, ThreadPoolExecutor(1) as reading:
            doubtful = []
            for entry, source, sign in zip_longest(record.frames, files, signs):
                path = self.frame(record.id, entry.n)
                if owned and staging.link(source, path):
                    continue
                staging.copy(source, path)
                if sign is None or not sign.holds(source, shard):
                    doubtful.append((entry.sha256, source, reading.submit(staging.sha256, path)))
            staging.write(self.record(record.id), encode(record))
            staging.sync()  # meanwhile the other thread reads copies
            for scored, source, copied in doubtful:
                if copied.result() != scored:
                    raise StorageError(f"sequence {record.id}: {source} was written into after it had been scored")
        sync_folder(shard)

    def remove(self, record: SequenceRecord) -> None:
        """Remove frames, then the record: after a crash in between, the record says which files to remove."""
        self.remove_frames(record)
        self.record(record.id).unlink(missing_ok=True)

    def remove_frames(self, record: SequenceRecord) -> None:
        """Remove the frames and keep the record."""
        for entry in record.frames:
            self.frame(record.id, entry.n).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> int:
        """Remove unfinished files and those of sequences that are not `known`; return how many."""
        removed = 0
        for path in self._paths():
            if path.name.endswith(TEMPORARY) or path.name.split(".")[0] not in known:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def stored(self) -> Iterator[SequenceRecord]:
        """Yield the readable records on disk, oldest first, to rebuild a lost table."""
        paths = [path for path in self._paths() if path.name.endswith(".json")]
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            record = self.read(path.name.removesuffix(".json"))
            if record is not None:
                yield record

    def read(self, sequence: str) -> SequenceRecord | None:
        """The record beside a sequence's frames; None if it is gone or cannot be read."""
        try:
            record = decode(self.record(sequence).read_bytes(), SequenceRecord)
        except (MessageError, OSError):
            return None
        return record if record.id == sequence else None

    def absent(self, record: SequenceRecord) -> list[int]:
        """The numbers of the frames whose file is gone or has another size."""
        return [entry.n for entry in record.frames if _size(self.frame(record.id, entry.n)) != entry.size]

    def _shard(self, sequence: str) -> Path:
        return self.folder / sequence[-2:]

    def _paths(self) -> Iterator[Path]:
        for shard in sorted(self.folder.iterdir()):
            if shard.is_dir():
                yield from shard.iterdir()


def _check_sizes(record: SequenceRecord, files: Sequence[Path]) -> None:
    if len(files) != len(record.frames):
        raise StorageError(f"sequence {record.id}: {len(files)} files, expected {len(record.frames)}, one a frame")
    for entry, path in zip(record.frames, files, strict=True):
        if _size(path) != entry.size:
            raise StorageError(f"sequence {record.id}: {path} has {_size(path)} bytes, its record says {entry.size}")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


class Staging:
    """Writes several files together: all are written, then all fsynced, then all renamed, in their order.

    This is faster than one file at a time: the card writes the first while the last is still copied, and one commit of
    the file system's journal serves several. A context manager: after an error no file is renamed and temporary files
    are removed. The caller fsyncs the folders.
    """

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._synced = 0
        self._paths: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._close()
            for path in self._paths:
                with suppress(OSError):  # on a full card each attempt would leave one more file
                    _temporary(path).unlink(missing_ok=True)

    def _commit(self) -> None:
        self.sync()
        for path in self._paths:
            _temporary(path).rename(path)

    def sync(self) -> None:
        """Wait until everything written so far is on the card, still under temporary names."""
        for descriptor in self._descriptors[self._synced :]:
            os.fsync(descriptor)
        self._synced = len(self._descriptors)

    def write(self, path: Path, content: bytes) -> None:
        """Write `content` to a temporary file that will become `path`."""
        descriptor = self._open(path)
        _write_all(descriptor, content)
        _write_out(descriptor)

    def copy(self, source: Path, path: Path) -> None:
        """Copy `source` to a temporary file that will become `path`. The kernel copies, not this process."""
        descriptor = self._open(path)
        with source.open("rb", buffering=0) as original:
            while os.sendfile(descriptor, original.fileno(), None, _MOST_AT_ONCE):
                pass
        _write_out(descriptor)

    def sha256(self, path: Path) -> str:
        """The SHA-256 of the temporary file that will become `path`."""
        with _temporary(path).open("rb") as copied:
            return hashlib.file_digest(copied, "sha256").hexdigest()

    def link(self, source: Path, path: Path) -> bool:
        """Hard-link `source` as `path` at once, so that no byte is written twice; return whether that worked.

        Only for files that nobody writes to any more: both names are one file. It does not work on file systems
        without links, or if source and target are on two file systems.
        """
        path.unlink(missing_ok=True)
        self._make_room()
        try:
            path.hardlink_to(source)
        except OSError:
            return False
        self._descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        _write_out(self._descriptors[-1])
        return True

    def _make_room(self) -> None:
        """Sync and close the files so far if many are open (a burst of hundreds of frames)."""
        if len(self._descriptors) < _MOST_OPEN:
            return
        self.sync()
        self._close()

    def _close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._synced = 0

    def _open(self, path: Path) -> int:
        self._make_room()
        self._paths.append(path)
        self._descriptors.append(os.open(_temporary(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))
        return self._descriptors[-1]


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + TEMPORARY)


def _write_all(descriptor: int, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _write_out(descriptor: int) -> None:
    """Let Linux start to write the file to the card, without waiting."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _make_folders(parent: Path, names: Sequence[str]) -> None:
    """Create folders below an existing one durably, with one fsync."""
    missing = [parent / name for name in names if not (parent / name).is_dir()]
    for folder in missing:
        folder.mkdir()
    if missing:
        sync_folder(parent)
