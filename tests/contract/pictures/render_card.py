"""Renders a card with one file of every kind that is counted, and of kinds that are not."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.contract.pictures.render_times import photographed

LEFT_OUT = {"hidden": 3, "video": 2, "raw": 1, "heic": 1, "other_format": 1, "broken_link": 2}
SUM = {
    "found": 18,
    "used": 4,
    "failed": 4,
    "left_out": LEFT_OUT,
    "without_time": 1,
    "folders_not_read": {"linked_folder": 1, "unreadable_folder": 1},
}
LINES = [
    "18 pictures found: 4 used (1 without a usable time), 4 failed (named above), 10 left out (3 hidden or in system "
    "folders, 2 videos, 2 broken links, 1 raw, 1 HEIC, 1 in another format)",
    "not looked into: 1 linked folder, 1 unreadable folder (named above)",
]
CLOSED = "closed"  # the folder that `close` makes unreadable
FAILED = ("IMG_0005.JPG", "IMG_0006.JPG", "IMG_0007.JPG", "IMG_0008.BMP")
NOT_COUNTED = ("Thumbs.db", "IMG_0001.xmp", "._IMG_0001.JPG", "VID_0001.THM", "notes.txt", "IMG_0001.JPG_original")


def card(folder: Path) -> Path:
    """A camera's pictures, its other recordings, and files that computers add, below the folder."""
    camera = folder / "ridge" / "DCIM" / "100MEDIA"
    camera.mkdir(parents=True)
    for number in (1, 2, 3):
        (camera / f"IMG_000{number}.JPG").write_bytes(photographed({0x9003: f"2026:03:01 05:30:0{number}"}))
    whole = photographed({})
    (camera / "IMG_0004.JPG").write_bytes(whole)
    failing = (whole[: len(whole) // 2], b"", b"no picture", _bmp())
    for name, content in zip(FAILED, failing, strict=True):
        (camera / name).write_bytes(content)
    others = ("VID_0001.AVI", "VID_0002.mp4", "IMG_0009.CR2", "IMG_0010.heic", "IMG_0011.jp2", ".IMG_0012.JPG")
    for name in (*others, *NOT_COUNTED):
        (camera / name).write_bytes(b"...")
    for hidden in (".Trashes/501/IMG_0001.JPG", "ridge/@eaDir/IMG_0001.MOV", ".snapshot/1/IMG_0001.JPG"):
        (folder / hidden).parent.mkdir(parents=True)
        (folder / hidden).write_bytes(whole)
    (camera / "IMG_0013.JPG").symlink_to("gone.JPG")
    (camera / "IMG_0014.JPG").symlink_to("IMG_0014.JPG")
    (folder / "again").symlink_to(folder / "ridge")
    (folder / CLOSED).mkdir()
    (folder / CLOSED / "IMG_0001.JPG").write_bytes(whole)
    return folder


def close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one folder of the card unreadable, even for root."""
    scandir = os.scandir

    def scan(path: Any = ".") -> Any:
        if isinstance(path, Path) and path.name == CLOSED:
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


def _bmp() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 90, 90)).save(out, "BMP")
    return out.getvalue()
