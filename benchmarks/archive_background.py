"""Measure the gain of an archive's backgrounds: wild bursts, each station as an archive, with and without neighbours.

    python benchmarks/archive_background.py --data ../shared/data

Prints how many sequences are positive without and with neighbours, with exact 95 % intervals, and the processor time.
`alone` takes single pictures, as from a camera without bursts: the middle picture of each sequence, or every picture of
a run of four or more from a camera that did not move.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scipy.stats import binomtest

from uncia_contract.archive.archive_scores import Pictures, neighbour_thumbnails, score_sequence
from uncia_contract.archive.neighbours import middle, with_neighbours
from uncia_contract.archive.visits import ArchiveSequence, Folder
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.runs.labels import LabelledPicture, sequences

STARTER = Path(__file__).parent.parent / "models" / "snow-leopard-starter-2.uncia"
RUN = 4
Burst = list[LabelledPicture]


def archive_of(bursts: Iterable[Burst]) -> list[ArchiveSequence]:
    """One camera's sequences, in order of time; those without a time at the end, in the data set's order."""
    ordered = sorted(bursts, key=lambda burst: (not burst[0].datetime, burst[0].datetime))
    found = [ArchiveSequence(one[0].file, "", tuple(p.file for p in one), (None,) * len(one)) for one in ordered]
    return with_neighbours(found)


def archives(bursts: Iterable[Burst]) -> list[list[ArchiveSequence]]:
    """One archive for each station."""
    stations: dict[str, list[Burst]] = defaultdict(list)
    for burst in bursts:
        stations[burst[0].location].append(burst)
    return [archive_of(station) for station in stations.values()]


class Study:
    """Scores archives with and without neighbours."""

    def __init__(self, data: Path, classifier: Classifier) -> None:
        self._place, self._classifier = Folder(data), classifier

    def score(self, found: Sequence[Sequence[ArchiveSequence]]) -> tuple[list[Pictures], float]:
        """The result of each sequence, and the processor seconds."""
        begun, scored = time.process_time(), []
        for archive in found:
            thumbnails = neighbour_thumbnails(self._place, self._classifier)
            scored += [score_sequence(one, self._place, self._classifier, None, thumbnails) for one in archive]
        return scored, time.process_time() - begun

    def tell(self, name: str, found: Sequence[Sequence[ArchiveSequence]], sizes: range = range(1, 1000)) -> None:
        """Prints a line: of sequences of so many pictures, the positive ones without and with neighbours."""
        plain = [[replace(one, neighbours=()) for one in archive] for archive in found]
        (before, before_s), (after, after_s) = self.score(plain), self.score(found)
        pictures = sum(map(len, before))
        alike = [(one, other) for one, other in zip(before, after, strict=True) if len(one) in sizes]
        told = [share([_positive(pair[way]) for pair in alike]) for way in (0, 1)]
        lost = sum(_positive(one) and not _positive(other) for one, other in alike)
        rate = f"{pictures / before_s:.0f} to {pictures / after_s:.0f} pictures a CPU second"
        print(f"{name:36s} {told[0]:22s} -> {told[1]:22s} {lost} lost; {rate}", flush=True)


def _positive(pictures: Pictures) -> bool:
    return any(picture.positive for picture in pictures)


def share(positive: Sequence[bool]) -> str:
    """A count and its total as text, with the exact interval."""
    bounds = binomtest(sum(positive), len(positive)).proportion_ci(method="exact")
    return f"{sum(positive)} of {len(positive)} ({bounds.low:.2f} to {bounds.high:.2f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=STARTER)
    arguments = parser.parse_args()
    bursts = sequences(read_labels(arguments.data / "tune.csv"))
    study = Study(arguments.data, Classifier(read_bundle(arguments.bundle)))
    leopards = [burst for burst in bursts if burst[0].label == "snow_leopard"]
    others = [burst for burst in bursts if burst[0].label != "snow_leopard"]
    runs = [burst for burst in others if len(burst) >= RUN]
    study.tell("leopards, one or two pictures", archives(leopards), range(1, 3))
    study.tell("leopards, three and more", archives(leopards), range(3, 1000))
    study.tell("leopards, the middle picture alone", archives([middle(burst)] for burst in leopards))
    study.tell("no leopard", archives(others))
    study.tell("no leopard, middle picture alone", archives([middle(burst)] for burst in others))
    study.tell("no leopard, runs, each picture alone", [archive_of([one] for one in run) for run in runs])


if __name__ == "__main__":
    main()
