"""A full disk: every file that is written below a folder accepts two bytes and then fails."""

import errno
import io
from pathlib import Path
from typing import Any

import pytest


class _FullFile(io.FileIO):
    def write(self, content: Any) -> int:
        super().write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")


def fill_disk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make `Path.open` for writing return such a file below `folder`, until `monkeypatch` is undone."""
    real = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        full = "w" in mode and path.is_relative_to(folder)
        return _FullFile(path, mode) if full else real(path, mode, *arguments, **named)

    monkeypatch.setattr(Path, "open", opened)
