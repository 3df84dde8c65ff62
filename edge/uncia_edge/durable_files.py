"""Files that reach the card together: written, fsynced and renamed as a batch, which costs less than one by one.

A single file is the contract's business (`uncia_contract.files`); what is kept, and for how long, is decided elsewhere.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from uncia_contract.files import TEMPORARY, sync_folder

_MOST_AT_ONCE = 1 << 30
_MOST_OPEN = 64  # files, of the 1,024 that a process may have


class Staging:
    """Files that reach the card together: all are written, then all fsynced, then all renamed, in their order.

    Each costs less than for itself: the card writes the first while the last is still being copied, and one commit of
    the file system's journal serves several. A context manager; with an error nothing is renamed and nothing is left.
    The caller fsyncs the folders.
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
                with suppress(OSError):  # on a full card a leftover would be one more each time it is tried again
                    _temporary(path).unlink(missing_ok=True)

    def _commit(self) -> None:
        self.sync()
        for path in self._paths:
            _temporary(path).rename(path)

    def sync(self) -> None:
        """Wait until all that was written so far is on the card; nothing has its name yet."""
        for descriptor in self._descriptors[self._synced :]:
            os.fsync(descriptor)
        self._synced = len(self._descriptors)

    def write(self, path: Path, content: bytes) -> None:
        """Write what becomes `path`."""
        descriptor = self._open(path)
        _write_all(descriptor, content)
        _write_out(descriptor)

    def copy(self, source: Path, path: Path) -> None:
        """Write a copy that becomes `path`. The kernel copies: no byte passes through this process."""
        descriptor = self._open(path)
        with source.open("rb", buffering=0) as original:
            while os.sendfile(descriptor, original.fileno(), None, _MOST_AT_ONCE):
                pass
        _write_out(descriptor)

    def sha256(self, path: Path) -> str:
        """Of what was copied to become `path`."""
        with _temporary(path).open("rb") as copied:
            return hashlib.file_digest(copied, "sha256").hexdigest()

    def link(self, source: Path, path: Path) -> bool:
        """Give an existing file a second name, at once. No byte is written twice.

        Only for files that nobody writes into any more: the two names are one file. False where the file system has no
        links, or source and target are on two.
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
        """Of a burst of hundreds, what was written so far is synced and closed."""
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
    """Linux begins to write the file out, and does not wait."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def make_folders(parent: Path, names: Sequence[str]) -> None:
    """Create folders in one that exists, for good, at the price of one."""
    missing = [parent / name for name in names if not (parent / name).is_dir()]
    for folder in missing:
        folder.mkdir()
    if missing:
        sync_folder(parent)
