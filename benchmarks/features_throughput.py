"""Throughput of `uncia-train features` as a share of what the cores allow, and its memory.

    python benchmarks/features_throughput.py --pictures ../shared/data --rounds 3 --count 4000
    python benchmarks/features_throughput.py --pictures ../shared/data --memory 500 2000 10000

Throughput: core-seconds of only decoding (`model_input`) and of only the forward pass are measured before and after
each run of the engine, in as many processes at once as there are cores, because busy cores share caches and memory. `of
two cores` is the core-seconds that the pictures need, divided by all core-seconds that passed. If other programs run,
they take some of these: `of what was left` divides by what they left. `of what was left by one alone` uses the
core-seconds of one process at a time, which is the stricter figure.

Memory: the largest resident set of a child process that runs the command on that many distinct pictures.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

from uncia_contract.archive.visits import archive_of
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.features.feature_network import FeatureNetwork, network_of_bundle
from uncia_training.features.feature_rows import archive_entries
from uncia_training.features.feature_run import LocalFeatures

BUNDLE = Path(__file__).parents[1] / "models" / "snow-leopard-starter-2.uncia"
PROGRAM = [sys.executable, "-c", "import sys; from uncia_training.cli.main import main; sys.exit(main())"]
PICTURES = 1000  # a round; with more pictures, fixed costs (imports, the last row group) count less
TICK = os.sysconf("SC_CLK_TCK")


def copies(sources: list[Path], count: int, folder: Path) -> Path:
    """Write `count` pictures, 1,000 in a folder; each is a sequence (no time) of unique bytes (after its end)."""
    for number, source in enumerate(islice(cycle(sources), count)):
        target = folder / f"trap{number // 1000:03d}" / f"{number:06d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(without_exif(source.read_bytes()) + str(number).encode())
    return folder


def without_exif(jpeg: bytes) -> bytes:
    """The same picture without its APP1 segments."""
    kept, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:  # start of scan
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        kept += b"" if jpeg[at + 1] == 0xE1 else jpeg[at:end]
        at = end
    return kept + jpeg[at:]


def bare(network: FeatureNetwork, sample: list[Path]) -> tuple[float, float]:
    """Core-seconds of decoding one picture and of one forward pass, in this thread."""
    extractor = network.extractor()
    begun = time.thread_time()
    images = [model_input(path.read_bytes(), extractor.size) for path in sample]
    decoded = time.thread_time()
    for image in images:
        extractor(image)
    return (decoded - begun) / len(sample), (time.thread_time() - decoded) / len(sample)


def bare_on(pool: Executor, cores: int, network: FeatureNetwork, sample: list[Path]) -> tuple[float, float]:
    """The mean of `bare` in several processes at once."""
    found = [one.result() for one in [pool.submit(bare, network, sample) for _ in range(cores)]]
    decode, forward = zip(*found, strict=True)
    return statistics.mean(decode), statistics.mean(forward)


def busy() -> float:
    """Core-seconds that all programs of this machine have used."""
    fields = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK


def one_round(network: FeatureNetwork, folder: Path, sample: list[Path], pool: Executor) -> dict[str, float]:
    """Measure `bare`, run the engine on all pictures, measure `bare` again."""
    cores = len(os.sched_getaffinity(0))
    before, alone_before = bare_on(pool, cores, network, sample), bare_on(pool, 1, network, sample)
    with tempfile.TemporaryDirectory() as scratch:
        features = LocalFeatures(network, None, Path(scratch), cores)
        archive = archive_of(folder)
        begun, own, all_ = time.perf_counter(), time.process_time(), busy()
        count = features.run(archive_entries(archive, str(folder), "", BurstRule(), cores), Path(scratch) / "f.parquet")
        seconds, own, all_ = time.perf_counter() - begun, time.process_time() - own, busy() - all_
        features.close()
    after, alone_after = bare_on(pool, cores, network, sample), bare_on(pool, 1, network, sample)
    decode, forward = (statistics.mean(pair) for pair in zip(before, after, strict=True))
    needed, others = count.computed * (decode + forward), max(0.0, all_ - own)
    alone = count.computed * (sum(alone_before) + sum(alone_after)) / 2
    return {
        "decode ms": 1000 * decode,
        "forward ms": 1000 * forward,
        "pictures/s": count.computed / seconds,
        "of two cores": needed / (cores * seconds),
        "of what was left": needed / (cores * seconds - others),
        "of its own core-seconds": needed / own,
        "of what was left by one alone": alone / (cores * seconds - others),
        "others' share": others / (cores * seconds),
    }


def throughput(sources: dict[str, list[Path]], rounds: int, pictures: int) -> None:
    """Print a line for each round, then the medians, for each kind of picture."""
    network, spawn = network_of_bundle(BUNDLE), get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=spawn) as pool:
        for kind, paths in sources.items():
            with tempfile.TemporaryDirectory() as scratch:
                folder, warm = copies(paths, pictures, Path(scratch) / "a"), copies(paths, 20, Path(scratch) / "b")
                one_round(network, warm, sorted(warm.rglob("*.jpg")), pool)
                sample = sorted(folder.rglob("*.jpg"))[:120]
                found = []
                for _ in range(rounds):
                    found.append(one_round(network, folder, sample, pool))
                    print(kind, told(found[-1]), flush=True)
                medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
                print(kind, "MEDIAN", told(medians), flush=True)


def told(figures: dict[str, float]) -> str:
    """The figures of a round as one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())


def memory(sources: list[Path], sizes: list[int]) -> Iterator[tuple[int, float, float]]:
    """Print for each number of pictures: the number, the largest resident set in MB, and seconds."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = copies(sources, size, Path(scratch) / "pictures")
            command = ["features", "--archive", str(folder), "--bundle", str(BUNDLE), "--out", f"{scratch}/f.parquet"]
            begun = time.perf_counter()
            child = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"features: exit code {child.returncode}")
            yield size, used.ru_maxrss / 1000, time.perf_counter() - begun
            shutil.rmtree(folder)


def main() -> None:
    """Measure throughput or memory, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder with JPEGs to repeat")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=PICTURES, help=f"pictures a round ({PICTURES})")
    parser.add_argument("--memory", type=int, nargs="+", metavar="N", help="pictures a run, instead of throughput")
    arguments = parser.parse_args()
    paths = sorted(arguments.pictures.rglob("*.jpg"))
    kinds = {
        "2048 pixels wide:": [path for path in paths if path.stat().st_size > 250_000 and "bursts" in path.parts],
        "1024 pixels wide:": [path for path in paths if 60_000 < path.stat().st_size < 250_000],
        "224 pixels wide:": [path for path in paths if path.stat().st_size < 40_000],
    }
    if arguments.memory:
        for size, megabytes, seconds in memory(kinds["224 pixels wide:"], arguments.memory):
            print(f"{size} pictures: {megabytes:.0f} MB at most, {seconds:.0f} s", flush=True)
    else:
        throughput({kind: found for kind, found in kinds.items() if found}, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
