"""How many frames early exit does not score, and how many it could spare, with a bundle's scores of real pictures.

    python benchmarks/early_exit.py BUNDLE DATA [--bursts 4000]

DATA has labels.csv and, in bursts/, folders of real bursts.
- Spared: the frames that `decide_early`, from the middle outwards, does not score.
- Permitted: the frames left when, in that order, even a score of 1 for each of them would leave the verdict negative
  (tried with `decide`).
- Foreseen: the most that any order could spare: the order of the lowest scores first, which is not known beforehand.
Every verdict is compared with the verdict of scoring all frames.

First come the real bursts, scored as on the trap. Then come bursts drawn from single pictures: `alike` from pictures of
one label and one source, as on one trap; `mixed` from all pictures.
"""

import argparse
import csv
import random
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from support.early_exit import decide_early
from uncia_contract.bursts.decisions import DecisionRule, decide, is_settled, scoring_order
from uncia_contract.errors import FrameError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.scoring.score_burst import score_burst

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
GOAL = 0.95
Groups = dict[tuple[str, str], list[float]]


def scored(classifier: Classifier, labels: Path) -> Groups:
    """The scores of a labelled data set's pictures, by source and label."""
    groups = defaultdict(list)
    with labels.open() as stream:
        for row in csv.DictReader(stream):
            try:
                image = model_input((labels.parent / row["file"]).read_bytes(), classifier.manifest.input_size)
            except FrameError:
                continue
            groups[row["source"], row["label"]].append(classifier.score(image))
    return dict(groups)


def drawn(groups: Groups, frames: int, bursts: int, mixed: bool) -> list[list[float]]:
    """Draw bursts of that many frames; a group is drawn in proportion to its size."""
    chance = random.Random(0)
    every = [score for group in groups.values() for score in group]
    pools = [group for group in groups.values() for _ in group]
    return [chance.choices(every if mixed else chance.choice(pools), k=frames) for _ in range(bursts)]


def real_bursts(classifier: Classifier, folder: Path) -> list[list[float]]:
    """The scores of each folder's pictures, in order of their names."""
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".jpg")
    found = []
    for _, burst in groupby(pictures, lambda path: path.parent):
        verdict = score_burst([path.read_bytes for path in burst], classifier, every_frame=True)
        if verdict is not None:
            found.append([frame.score for frame in verdict.frames if frame.score is not None])
    return found


def permitted(scores: list[float], rule: DecisionRule) -> int:
    """How many frames the bound permits to spare, in the order of scoring."""
    known = [scores[index] for index in scoring_order(len(scores))]
    lefts = range(len(known), 0, -1)
    return next((n for n in lefts if not decide([*known[: len(known) - n], *[1.0] * n], rule).positive), 0)


def foreseen(scores: list[float], rule: DecisionRule) -> int:
    """How many frames the best order spares."""
    least = sorted(scores)
    needed = next((n for n in range(len(least) + 1) if is_settled(least[:n], len(least), rule)), len(least))
    return len(least) - needed


@dataclass
class Saving:
    """Numbers of frames: all, spared, permitted and foreseen; of negative bursts."""

    frames: int = 0
    spared: int = 0
    permitted: int = 0
    foreseen: int = 0
    bursts: int = 0
    negative: int = 0

    def cells(self) -> list[str]:
        """The spared frames as shares of all, of the permitted and of the foreseen ones."""
        return [
            f"{part / whole:.1%}" if whole else "-"
            for part, whole in (
                (self.spared, self.frames),
                (self.spared, self.permitted),
                (self.spared, self.foreseen),
            )
        ]


def saving(bursts: list[list[float]], rule: DecisionRule) -> Saving:
    """What early exit saves on bursts; SystemExit if it changes a verdict."""
    found = Saving()
    for scores in bursts:
        decision, known = decide_early(scores.__getitem__, len(scores), rule)
        if decision.positive != decide(scores, rule).positive:
            raise SystemExit(f"{scores}: another verdict at {rule.threshold}")
        found.frames += len(scores)
        found.spared += len(scores) - len(known)
        found.permitted += permitted(scores, rule)
        found.foreseen += foreseen(scores, rule)
        found.bursts += 1
        found.negative += not decision.positive
    return found


def main() -> int:
    """Print a line for each threshold; return 1 if less than 95 % of the permitted frames were spared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--bursts", type=int, default=4000)
    arguments = parser.parse_args()
    classifier = Classifier(read_bundle(arguments.bundle))
    worst = as_they_are(real_bursts(classifier, arguments.data / "bursts"))
    return int(min(worst, as_drawn(scored(classifier, arguments.data / "labels.csv"), arguments.bursts)) < GOAL)


def as_they_are(bursts: list[list[float]]) -> float:
    """Print the table of real bursts; return the least share of permitted frames that was spared."""
    lengths = ", ".join(f"{count} of {frames}" for frames, count in sorted(Counter(map(len, bursts)).items()))
    print(f"{len(bursts)} real bursts ({lengths} frames)")
    print("| threshold | negative | spared | of the permitted | of the foreseen |\n|---|---|---|---|---|")
    found = [saving(bursts, DecisionRule(threshold)) for threshold in THRESHOLDS]
    for threshold, one in zip(THRESHOLDS, found, strict=True):
        print("|", " | ".join([str(threshold), f"{one.negative} of {one.bursts}", *one.cells()]), "|")
    return least_share(found)


def as_drawn(groups: Groups, bursts: int) -> float:
    """Print the table of drawn bursts; return the least share of permitted frames that was spared."""
    every = sorted(score for group in groups.values() for score in group)
    low, high = sum(score < 0.05 for score in every), sum(score > 0.95 for score in every)
    print(f"{len(every)} pictures: {low} score under 0.05, {high} over 0.95, {len(every) - low - high} between")
    print("| frames | threshold | negative | spared | of the permitted | of the foreseen | mixed: spared "
          "| of the permitted | of the foreseen |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    found = []
    for frames in (3, 5, 10):
        kinds = [drawn(groups, frames, bursts, mixed) for mixed in (False, True)]
        for threshold in THRESHOLDS:
            alike, mixed = (saving(kind, DecisionRule(threshold)) for kind in kinds)
            negative = f"{alike.negative / alike.bursts:.0%}"
            print(
                "|",
                " | ".join([str(frames), str(threshold), negative, *alike.cells(), *mixed.cells()]),
                "|",
                flush=True,
            )
            found += [alike, mixed]
    return least_share(found)


def least_share(found: list[Saving]) -> float:
    """The least share of permitted frames that was spared."""
    return min((one.spared / one.permitted for one in found if one.permitted), default=1.0)


if __name__ == "__main__":
    sys.exit(main())
