"""What early exit spares, against what its bound permits, with the scores that a bundle gives real pictures.

    python benchmarks/early_exit.py BUNDLE LABELS.csv [--bursts 4000]

Spared: `decide_early`, from the middle outwards. It stops at the first frame at which the bound allows it, so that it
spares all that the bound permits in that order; every verdict is compared with that of scoring all frames. Foreseen:
the most that any order could spare, the least scores first, which nobody knows beforehand. Bursts whose frames are
`alike` are drawn from the pictures of one label of one source, as a trap sees them; `mixed` ones from all pictures.
"""

import argparse
import csv
import random
from collections import defaultdict
from pathlib import Path

from uncia_contract.bundle import read_bundle
from uncia_contract.classifier import Classifier
from uncia_contract.decisions import DecisionRule, decide, decide_early, is_settled
from uncia_contract.errors import FrameError
from uncia_contract.preprocessing import model_input

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Groups = dict[tuple[str, str], list[float]]


def scored(bundle: Path, labels: Path) -> Groups:
    """The scores of a labelled data set's pictures, by source and label."""
    classifier, groups = Classifier(read_bundle(bundle)), defaultdict(list)
    with labels.open() as stream:
        for row in csv.DictReader(stream):
            try:
                image = model_input((labels.parent / row["file"]).read_bytes(), classifier.manifest.input_size)
            except FrameError:
                continue
            groups[row["source"], row["label"]].append(classifier.score(image))
    return dict(groups)


def drawn(groups: Groups, frames: int, bursts: int, mixed: bool) -> list[list[float]]:
    """Bursts of that many frames; groups by their size."""
    chance = random.Random(0)
    every = [score for group in groups.values() for score in group]
    pools = [group for group in groups.values() for _ in group]
    return [chance.choices(every if mixed else chance.choice(pools), k=frames) for _ in range(bursts)]


def permitted(scores: list[float], rule: DecisionRule) -> int:
    """How many frames the best order spares."""
    least = sorted(scores)
    needed = next((n for n in range(len(least) + 1) if is_settled(least[:n], len(least), rule)), len(least))
    return len(least) - needed


def main() -> None:
    """Prints a line a threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--bursts", type=int, default=4000)
    arguments = parser.parse_args()
    groups = scored(arguments.bundle, arguments.labels)
    every = sorted(score for group in groups.values() for score in group)
    low, high = sum(score < 0.05 for score in every), sum(score > 0.95 for score in every)
    print(f"{len(every)} pictures: {low} score under 0.05, {high} over 0.95, {len(every) - low - high} between")
    print("| frames | threshold | negative | spared | foreseen | share | mixed: spared | foreseen | share |")
    print("|---|---|---|---|---|---|---|---|---|")
    for frames in (3, 5, 10):
        kinds = [drawn(groups, frames, arguments.bursts, mixed) for mixed in (False, True)]
        for threshold in THRESHOLDS:
            alike, mixed = (cells(bursts, DecisionRule(threshold)) for bursts in kinds)
            print("|", " | ".join([str(frames), str(threshold), *alike, *mixed[1:]]), "|", flush=True)


def cells(bursts: list[list[float]], rule: DecisionRule) -> list[str]:
    """Negative bursts, frames spared, the most that could be, and the share of that."""
    frames, spared, best, negative = len(bursts[0]), 0, 0, 0
    for scores in bursts:
        decision, known = decide_early(scores.__getitem__, frames, rule)
        if decision.positive != decide(scores, rule).positive:
            raise SystemExit(f"{scores}: another verdict at {rule.threshold}")
        spared += frames - len(known)
        best += permitted(scores, rule)
        negative += not decision.positive
    every = frames * len(bursts)
    share = f"{spared / best:.1%}" if best else "-"
    return [f"{negative / len(bursts):.0%}", f"{spared / every:.1%}", f"{best / every:.1%}", share]


if __name__ == "__main__":
    main()
