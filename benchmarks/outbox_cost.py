"""The time of `Outbox.add` compared with writing the same files durably, and of `add` and `next` with a long queue.

Goals: committing a ten-frame burst takes at most 1.3 times as long as write, fsync and rename of its files; `add` and
`next` with 100,000 waiting records take at most 1.5 times as long as with 1,000. Run it on the disk that you want to
test: `python benchmarks/outbox_cost.py --folder DIR`. `--elsewhere` is a folder on another file system, for files from
a share or a card reader.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from support.records import make_record
from uncia_edge.outbox.sequence_table import insert
from uncia_edge.outbox.source_files import SETTLED_S, Sign, open_original
from uncia_edge.outbox.store import Outbox

FRAME_BYTES = 400_000
FRAMES = 10


def bare(folder: Path, contents: list[bytes]) -> None:
    """Make ten files durable with the fewest steps: write, fsync and rename each, fsync their folder."""
    for n, content in enumerate(contents):
        temporary = folder / f"{n}.tmp"
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(folder / f"{n}.jpg")
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def spool(folder: Path, contents: list[bytes]) -> list[Path]:
    """Write each frame under a temporary name and rename it, as the trap's own camera does."""
    paths = []
    for n, content in enumerate(contents):
        temporary = folder / f"{n}.tmp"
        temporary.write_bytes(content)
        paths.append(temporary.rename(folder / f"{n}.jpg"))
    return paths


def sign_of(path: Path) -> Sign:
    """The file's sign, as when the trap reads the file."""
    stream, original = open_original(path)
    stream.close()
    return original.sign


def commit_cost(folder: Path, elsewhere: Path, rounds: int) -> dict[str, float]:
    """Medians in milliseconds, measured alternately, so that a busy disk slows all of them.

    `own`: the trap's own camera spools the frames, `add` links them; both are counted. `watched`: another program's
    files on the same file system, which `add` copies. `share`: files of another one (`elsewhere`), whose copies
    it reads again, because their times prove nothing here.
    """
    chance = random.Random(1)
    outbox = Outbox(folder / "outbox")
    bursts = [[chance.randbytes(FRAME_BYTES) for _ in range(FRAMES)] for _ in range(rounds)]
    arrived = [spool(fresh(folder / f"watched{n}"), contents) for n, contents in enumerate(bursts)]
    away = [spool(fresh(elsewhere / f"share{n}"), contents) for n, contents in enumerate(bursts)]
    time.sleep(SETTLED_S + 0.1)  # a burst is some seconds old when it is scored
    own, watched, share, theirs = [], [], [], []
    for number, (contents, files, far) in enumerate(zip(bursts, arrived, away, strict=True)):
        first, second, third = (make_record(outbox.next_sequence_id("ridge-01"), contents) for _ in range(3))
        place, signs = fresh(folder / f"own{number}"), [sign_of(path) for path in files]
        far_signs = [sign_of(path) for path in far]
        os.sync()  # before each, so that none waits for another one's data
        theirs.append(timed(lambda: bare(fresh(folder / f"bare{number}"), contents)))  # noqa: B023
        os.sync()
        own.append(timed(lambda: outbox.add(first, spool(place, contents), owned=True)))  # noqa: B023
        os.sync()
        watched.append(timed(lambda: outbox.add(second, files, signs=signs)))  # noqa: B023
        os.sync()
        share.append(timed(lambda: outbox.add(third, far, signs=far_signs)))  # noqa: B023
    outbox.close()
    kinds = {"bare": theirs, "own": own, "watched": watched, "share": share}
    ratios = {f"{name}_ratio": round(median(values) / median(theirs), 2) for name, values in kinds.items()}
    return {f"{name}_ms": median(values) for name, values in kinds.items()} | ratios


class Queue:
    """An outbox with that many waiting records."""

    def __init__(self, folder: Path, waiting: int) -> None:
        self._content, self._frame, self.adds, self.nexts = b"x" * 1000, folder / "frame.jpg", [], []
        self._outbox = Outbox(folder)
        self._frame.write_bytes(self._content)
        with self._outbox._database.transaction() as connection:
            for n in range(waiting):
                insert(connection, make_record(f"fill-{n:06d}", [self._content] * 3), 0)

    def measure(self, n: int) -> None:
        """Milliseconds of one `add` (one small frame) and one `next`."""
        record = make_record(f"new-{n:06d}", [self._content])
        self.adds.append(timed(lambda: self._outbox.add(record, [self._frame])))
        self.nexts.append(timed(lambda: self._outbox.next(8, exclude={"fill-000000", "fill-000003"})))

    def medians(self) -> dict[str, float]:
        """The medians of all measurements."""
        self._outbox.close()
        return {"add_ms": median(self.adds), "next_ms": median(self.nexts)}


def queue_cost(folder: Path, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Measure with 1,000 and with 100,000 waiting records, alternately."""
    short, long = Queue(fresh(folder / "short"), 1_000), Queue(fresh(folder / "long"), 100_000)
    os.sync()
    for n in range(rounds):
        short.measure(n)
        long.measure(n)
    return short.medians(), long.medians()


def fresh(folder: Path) -> Path:
    """Create the folder and return it."""
    folder.mkdir()
    return folder


def timed(action: object) -> float:
    """The milliseconds of one call."""
    started = time.perf_counter()
    action()  # type: ignore[operator]
    return 1000 * (time.perf_counter() - started)


def median(values: list[float]) -> float:
    """The median, rounded to microseconds."""
    return round(statistics.median(values), 3)


def main() -> int:
    """Print the figures; return 0 if the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write (default: the temporary folder)")
    parser.add_argument("--elsewhere", type=Path, default=Path("/dev/shm"), help="on another file system (/dev/shm)")
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    elsewhere = Path(tempfile.mkdtemp(dir=arguments.elsewhere))
    try:
        commit = commit_cost(fresh(folder / "commit"), elsewhere, arguments.rounds)
        short, long = queue_cost(fresh(folder / "queue"), 10 * arguments.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(elsewhere, ignore_errors=True)
    growth = {name: round(long[f"{name}_ms"] / short[f"{name}_ms"], 2) for name in ("add", "next")}
    print(
        json.dumps({"commit": commit, "short": short, "long": long, "growth": growth, "sqlite": sqlite3.sqlite_version})
    )
    costs = [commit[f"{kind}_ratio"] for kind in ("own", "watched", "share")]
    return 0 if max(costs) <= 1.3 and max(growth.values()) <= 1.5 else 1


if __name__ == "__main__":
    sys.exit(main())
