"""The folder of JPEGs: each file is whole or absent, also after a power cut.

Decides names (made of checked ids and numbers only, never of a sender's file name) and durability: temporary name,
fsync, rename, fsync of the folder. `frames/<trap>/<year-month>/<sequence>.<n>.jpg`, below the data folder.
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
    """Where frame `n` lies, relative to the data folder."""
    return f"frames/{trap}/{started_at.astimezone(UTC):%Y-%m}/{sequence}.{n:03d}.jpg"


class FrameFolder:
    """Files below one data folder."""

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        self.root, self.min_free_bytes = root, min_free_bytes

    def put(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Write all files so that they survive a power cut after this returns; a file that is there is replaced.

        Raises:
            StorageError: the disk is full (or nearly: `min_free_bytes`), read-only or broken; no half file is left
                under a final name.
        """
        self._check_free()
        try:
            folders = {self._put(self.root / path, content).parent for path, content in files}
            for folder in folders:
                sync_folder(folder)
        except OSError as error:
            raise StorageError(f"data folder {self.root}: {error.strerror or error}") from error

    def sweep(self, older_than_s: float = 600) -> int:
        """Remove what an interrupted write left under temporary names; how many files that were.

        Younger ones are left alone: another collector may share the folder and be writing.
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
