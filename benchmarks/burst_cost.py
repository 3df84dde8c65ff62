"""What a burst costs with one bundle and with another: processor time of the same bursts, scored alternately.

    python benchmarks/burst_cost.py models/snow-leopard-starter-1.uncia models/snow-leopard-starter-2.uncia

Ten rendered frames of 4000 x 3000 pixels (2.1 MB each), in which nothing moves, a large animal moves and a small one,
decided as on the trap: with early exit, a second look where the bundle has one, and a second copy of a light model.
Rendered animals are no snow leopards, so all bursts are negative. It prints for each burst the median processor seconds
with both bundles, and the medians of the pairs' ratios.
"""

import argparse
import io
from functools import partial
from pathlib import Path
from statistics import median

from trap_speed import BURSTS, NOISE, cost, moving_burst
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier, load_single_thread_classifier
from uncia_contract.scoring.score_burst import score_burst
from uncia_edge.cli.bench import bench_picture
from uncia_edge.scoring.memory import return_large_blocks


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs=2)
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    return_large_blocks()  # as the trap does
    classifiers = []
    for path in arguments.bundles:
        bundle = read_bundle(path)
        classifier = Classifier(bundle, threads=0)
        classifiers.append((classifier, load_single_thread_classifier(bundle, classifier)))
    picture = bench_picture(noise=NOISE[1])
    print("| what moves | processor seconds | | ratio | ratio of wall times |\n|---|---|---|---|---|")
    for name, side in BURSTS:
        pictures = [partial(io.BytesIO, frame) for frame in moving_burst(picture, 10, side)]
        steps = [
            partial(score_burst, pictures, whole, single_thread_classifier=single) for whole, single in classifiers
        ]
        taken = [[cost(step) for step in steps] for _ in range(arguments.pairs + 1)][1:]
        first, second = (median(pair[n][1] for pair in taken) for n in (0, 1))
        wall, busy = (median(new[n] / old[n] for old, new in taken) for n in (0, 1))
        print(f"| {name} | {first:.3f} | {second:.3f} | {busy:.2f} | {wall:.2f} |", flush=True)


if __name__ == "__main__":
    main()
