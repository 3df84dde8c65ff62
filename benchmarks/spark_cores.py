"""The speed-up of two cores over one under Spark: the same pictures on `local[1]` and `local[2]`, alternately.

    python benchmarks/spark_cores.py --pictures ../shared/data --count 600 --rounds 2

Times are for the engine's run (cut into sequences, compute, stage, write), after a first run in the same session. The
start of the session is printed separately. `others` is the share of all core-seconds that other programs used: if it is
not small, the ratio means little.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from features_throughput import BUNDLE, TICK, busy, copies
from uncia_training.datasets.storage import archive_at
from uncia_training.features.feature_network import network_of_bundle
from uncia_training.spark.features import SparkFeatures
from uncia_training.spark.session import spark


def run(cores: int, folder: Path, warm: Path) -> tuple[float, float, float]:
    """Seconds to start a session, seconds of the run, and the share of core-seconds of other programs."""
    begun = time.perf_counter()
    with spark(f"local[{cores}]") as session, tempfile.TemporaryDirectory() as scratch:
        beginning = time.perf_counter() - begun
        engine = SparkFeatures(session, network_of_bundle(BUNDLE), None, "benchmark")
        engine.run(engine.of_archive(archive_at(str(warm)), str(warm)), f"{scratch}/warm", lambda done: None)
        own, all_, begun = family(), busy(), time.perf_counter()
        engine.run(engine.of_archive(archive_at(str(folder)), str(folder)), f"{scratch}/out", lambda done: None)
        seconds = time.perf_counter() - begun
        others = max(0.0, busy() - all_ - (family() - own)) / seconds / len(os.sched_getaffinity(0))
    return beginning, seconds, others


def family() -> float:
    """Core-seconds of this process and its descendants (the JVM, its Python workers)."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(stat.parent.name)
        parents[number] = int(fields[1])
        used[number] = sum(int(one) for one in fields[11:15]) / TICK
    return sum(seconds for number, seconds in used.items() if _below(number, parents))


def _below(number: int, parents: dict[int, int]) -> bool:
    while number and number != os.getpid():
        number = parents.get(number, 0)
    return number == os.getpid()


def main() -> None:
    """Print a line for each run, then the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder with JPEGs to repeat")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    paths = [path for path in sorted(arguments.pictures.rglob("*.jpg")) if path.stat().st_size > 250_000]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch:
        folder, warm = copies(paths, arguments.count, Path(scratch) / "a"), copies(paths, 32, Path(scratch) / "b")
        for _ in range(arguments.rounds):
            for cores, times in seconds.items():
                beginning, taken, others = run(cores, folder, warm)
                times.append(taken)
                rate = arguments.count / taken
                print(f"local[{cores}]: {taken:.1f} s, {rate:.1f} pictures/s, others {others:.0%}, "
                      f"session {beginning:.1f} s", flush=True)  # fmt: skip
    one, two = (statistics.median(seconds[cores]) for cores in (1, 2))
    print(f"two cores are {one / two:.2f} times as fast as one")


if __name__ == "__main__":
    main()
