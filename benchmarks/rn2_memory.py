"""Memory and time of the fit of the second-to-last layer on features in a file.

    python benchmarks/rn2_memory.py --pictures 20000 --features 100352 --iterations 20

It writes float16 features of that many pictures (4 GB by default; removed afterwards), of which a few hundred differ
between the classes, and fits them in a child process, whose peak resident memory is printed. Pages of the mapped file
count as resident until they are released after each chunk.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.logistic import balanced
from uncia_training.fitting.streaming import fit_streaming

ROWS_AT_ONCE = 200
TELLING = 300  # features that differ between the classes


class Counted(StoredRows):
    """Rows that count how often all of them were read."""

    passes = 0

    def chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the chunks of the rows, and count."""
        self.passes += 1
        yield from super().chunks()


def labels_of(pictures: int) -> np.ndarray:
    """Labels of which one in four is positive."""
    return (np.arange(pictures) % 4 == 0).astype(np.intp)


def write_features(path: Path, pictures: int, features: int) -> None:
    """Write sparse, non-negative numbers, as after a ReLU."""
    chance, labels = np.random.default_rng(0), labels_of(pictures)
    with path.open("wb") as file:
        for start in range(0, pictures, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, pictures - start)
            rows = np.maximum(chance.standard_normal((count, features), np.float32), 0)
            rows[:, :TELLING] += 0.1 * labels[start : start + count, np.newaxis]
            file.write(rows.astype(np.float16).tobytes())


def fit(path: Path, pictures: int, features: int, iterations: int) -> None:
    """Fit, and print time and memory; run in a process of its own."""
    rows = Counted(path, range(pictures), features, np.dtype(np.float16))
    labels, began, clock = labels_of(pictures), time.process_time(), time.monotonic()
    weights, bias = fit_streaming(rows, labels, balanced(labels), 0.01 * 1280 / features, iterations)
    spent, passes, lasted = time.process_time() - began, rows.passes, time.monotonic() - clock
    logits = np.concatenate([chunk @ weights[0] + bias[0] for _, chunk in rows.chunks()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    right = ((logits > 0) == labels.astype(bool)).mean()
    print(
        f"{pictures} pictures, {features} features, {path.stat().st_size / 1e9:.1f} GB on disk: at most {peak:.2f} GB "
        f"resident, {spent:.0f} CPU seconds in {lasted:.0f} for {passes} passes (at most {iterations} iterations), "
        f"{right:.3f} of the labels learnt"
    )


def main() -> None:
    """Write the features, fit in a child process, and remove them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=100_352)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        fit(arguments.fit, arguments.pictures, arguments.features, arguments.iterations)
        return
    Path("runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="runs") as folder:
        path = Path(folder) / "rows.bin"
        write_features(path, arguments.pictures, arguments.features)
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--fit", str(path)], check=True)


if __name__ == "__main__":
    main()
