"""The share of damaged JPEGs that `damaged_scan` finds, by kind of damage, and the time of the check.

It damages 1,000 files in the ways of cards and links, from real pictures (`--data`, read only) or rendered scenes; a
third of them are saved again with restart markers. Damage is harmless if less than 0.1 % of the pixels change by more
than 12. Exit code 1 if an undamaged picture is called damaged, or if checking the bytes takes 3 % or more of the time
of decoding the thumbnails of files of 100 kB or more.
"""

import argparse
import io
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from uncia_contract.errors import FrameError
from uncia_contract.pictures.damaged_scan import decode_checked, marker_damage, sector_damage
from uncia_contract.pictures.jpeg import decode_jpeg
from uncia_contract.pictures.jpeg_scan import read_scan
from uncia_contract.pictures.picture_files import JPEG_SUFFIXES
from uncia_simulation.scenes import render_bursts

ENOUGH = (400, 300)
KINDS = ("one bit", "eight bits", "sector 00", "sector ff", "cluster 00", "other's sector", "other's cluster", "cut")


def damaged(whole: bytes, other: bytes, kind: str, dice: random.Random) -> bytes:
    """The file with one damage in its scan; a lost sector begins at a multiple of the sector size."""
    scan = read_scan(whole)
    assert scan is not None
    content = bytearray(whole)
    size = 4096 if "cluster" in kind else 512
    at = max(scan.begin, dice.randrange(scan.begin, max(scan.begin + 1, scan.end - size)) // size * size)
    if kind.endswith(("bit", "bits")):
        first = dice.randrange(scan.begin, scan.end - 64)
        for _ in range(1 if kind == "one bit" else 8):
            content[first + dice.randrange(64)] ^= 1 << dice.randrange(8)
    elif kind == "cut":
        at = dice.randrange(scan.begin + 64, scan.end - 64)
        return bytes(content[:at]) + b"\xff\xd9"
    else:
        begin = dice.randrange(0, max(1, len(other) - size)) // size * size
        filling = {"00": bytes(size), "ff": b"\xff" * size}.get(kind[-2:], other[begin : begin + size])
        end = min(at + size, scan.end)
        content[at:end] = filling[: end - at]
    return bytes(content)


def is_harmless(whole: bytes, broken: bytes) -> bool:
    """Whether the damage changes less than 0.1 % of the pixels."""
    images = [np.asarray(decode_jpeg(one, ENOUGH).image).astype(np.int16) for one in (whole, broken)]
    return bool((np.abs(images[0] - images[1]).max(2) > 12).mean() < 0.001)


def with_restarts(content: bytes) -> bytes:
    """The picture saved again with a restart marker after each row of blocks."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.convert("RGB").save(out, "JPEG", quality=85, restart_marker_rows=1)
    return out.getvalue()


def pictures(folder: Path) -> list[Path]:
    """The JPEGs below a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in JPEG_SUFFIXES)


def look(kinds: Counter[tuple[str, str]], whole: bytes, other: bytes, dice: random.Random, kind: str) -> None:
    """Damage one file and count the result."""
    broken = damaged(whole, other, kind, dice)
    try:
        found = bool(decode_checked(broken, ENOUGH)[1])
    except FrameError:
        kinds[kind, "refused"] += 1
        return
    harmless = not found and is_harmless(whole, broken)
    kinds[kind, "found" if found else "harmless" if harmless else "missed"] += 1


def false_alarms(paths: list[Path]) -> list[str]:
    """How many undamaged pictures are called damaged."""
    said = [(path, decode_checked(path.read_bytes(), ENOUGH)[1]) for path in paths]
    return [f"{path}: {damage}" for path, damage in said if damage]


def read(content: bytes) -> None:
    """Check the bytes only, without decoding."""
    scan = read_scan(content)
    assert scan is not None
    marker_damage(scan)
    sector_damage(content, scan)


def cost(contents: list[bytes]) -> tuple[float, float]:
    """The time of checking the bytes, and of the whole check, as shares of decoding; medians."""
    works = (decode_jpeg, decode_checked, lambda content, _: read(content))
    shares = []
    for content in contents:
        times = [9.0] * 3
        for turn in range(15):
            begun = time.perf_counter()
            works[turn % 3](content, ENOUGH)
            times[turn % 3] = min(time.perf_counter() - begun, times[turn % 3])
        shares.append((times[2] / times[0], times[1] / times[0] - 1))
    of_bytes, of_all = np.median(shares, axis=0)
    return float(of_bytes), float(of_all)


def main() -> int:
    """Damage the files, check them, print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with whole JPEGs (rendered scenes)")
    parser.add_argument("--files", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        render_bursts(Path(folder))
        rendered = [path for path in pictures(Path(folder)) if "truncated" not in str(path)]
        real = pictures(arguments.data) if arguments.data else []
        large = [path for path in real if path.stat().st_size > 100_000] + rendered
        contents = [path.read_bytes() for path in random.Random(1).sample(large, min(len(large), 120))]
        said = false_alarms(real + rendered)
    of_bytes, of_all = cost(contents)
    dice, plain, restarts = random.Random(7), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for number in range(arguments.files):
        whole, other = dice.choice(contents), dice.choice(contents)
        into, whole = (restarts, with_restarts(whole)) if number % 3 == 2 else (plain, whole)
        look(into, whole, other, dice, KINDS[number % len(KINDS)])
    for title, kinds in (("no restart markers", plain), ("restart markers", restarts)):
        print(f"{title:20}{'found':>8}{'refused':>9}{'missed':>8}{'harmless':>10}")
        for kind in KINDS:
            print(f"{kind:20}" + "".join(f"{kinds[kind, word]:{width}}" for word, width in WORDS.items()))
    total = plain + restarts
    found, refused, missed = (sum(total[kind, word] for kind in KINDS) for word in ("found", "refused", "missed"))
    seen = found + refused + missed
    print(f"{(found + refused) / seen:.1%} of {seen} visibly damaged files found or refused ({found} marked)")
    print(f"{len(said)} of {len(real) + len(rendered)} whole pictures called damaged")
    print(f"the look at the bytes takes {of_bytes:.1%} of decoding (limit 3 %), the whole look {of_all:+.1%}")
    print(*said, sep="\n")
    return int(bool(said) or of_bytes >= 0.03)


WORDS = {"found": 8, "refused": 9, "missed": 8, "harmless": 10}

if __name__ == "__main__":
    sys.exit(main())
