"""A disk that is full: every file written below a folder takes two bytes and then refuses."""

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
    """Let `Path.open` for writing give such a file below `folder`, until `monkeypatch` is undone."""
    real = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        full = "w" in mode and path.is_relative_to(folder)
        return _FullFile(path, mode) if full else real(path, mode, *arguments, **named)

    monkeypatch.setattr(Path, "open", opened)
