"""The folder of stored JPEGs: each file is complete or absent, also after a power cut.

A file is `frames/<trap>/<year-month>/<sequence>.<n>.jpg` below the data folder; the name is made only of checked ids
and numbers, never of a sender's file name. It is written under a temporary name, synced and renamed; then the folder is
synced.
"""

import os
import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_contract.files import make_folder, replacing, sync_folder

TEMPORARY = ".part"


def frame_path(trap: str, sequence: str, started_at: datetime, n: int) -> str:
    """The path of frame `n`, relative to the data folder."""
    return f"frames/{trap}/{started_at.astimezone(UTC):%Y-%m}/{sequence}.{n:03d}.jpg"


class FrameFolder:
    """The files of one data folder; `min_free_bytes` of its disk stay free."""

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        self.root, self.min_free_bytes = root, min_free_bytes

    def put(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write (path, content) pairs; when this returns, they survive a power cut. An existing file is replaced.

        Raises:
            StorageError: the disk is full (less than `min_free_bytes` free), read-only or broken. No incomplete file
                has a final name.
        """
        self._check_free()
        try:
            folders = {self._put(self.root / path, content).parent for path, content in files}
            for folder in folders:
                sync_folder(folder)
        except OSError as error:
            raise StorageError(f"data folder {self.root}: {error.strerror or error}") from error

    def sweep(self, older_than_s: float = 600) -> int:
        """Remove temporary files that an interrupted write left; return how many.

        Files younger than `older_than_s` stay: another collector that shares the folder may be writing them.
        """
        oldest = time.time() - older_than_s
        leftovers = [path for path in self.root.glob(f"frames/*/*/*{TEMPORARY}*") if path.stat().st_mtime < oldest]
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def _check_free(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise StorageError(f"data folder {self.root}: {error.strerror}") from error
        if free < self.min_free_bytes:
            raise StorageError(f"data folder {self.root}: {free} bytes free, expected at least {self.min_free_bytes}")

    def _put(self, path: Path, content: bytes) -> Path:
        make_folder(path.parent)
        with replacing(path, f"{TEMPORARY}{os.getpid()}", fsync=True) as file:
            file.write(content)
        return path
