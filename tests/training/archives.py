"""Helpers for tests of archives: pictures of bursts with EXIF times, in folders of traps."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "models" / "snow-leopard-starter-2.uncia"


def picture(path: Path, minute: int, second: int, seed: int = 0) -> None:
    """A small noisy JPEG with an EXIF time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0132] = f"2026:03:01 05:{minute:02d}:{second:02d}"
    noise = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((320, 240)).save(path, exif=exif)


def archive(folder: Path, bursts: int = 3) -> Path:
    """Two traps, each with this many bursts of three, and a truncated picture."""
    for trap in ("pass", "ridge"):
        for number in range(3 * bursts):
            picture(
                folder / trap / "DCIM/100MEDIA" / f"IMG_{number:04d}.JPG",
                number // 3,
                number % 3,
                len(trap) * 1000 + number,
            )
    whole = (folder / "pass/DCIM/100MEDIA/IMG_0000.JPG").read_bytes()
    (folder / "pass/DCIM/100MEDIA/IMG_9999.JPG").write_bytes(whole[: len(whole) // 2])
    return folder


def state(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Each file's hash, modification time, mode and number of names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        known = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(folder).as_posix()] = (content, known.st_mtime_ns, known.st_mode, known.st_nlink)
    return found
