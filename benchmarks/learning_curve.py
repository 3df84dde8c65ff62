"""Average precision and ROC AUC against the number of labelled sequences, with whole places held out.

    python benchmarks/learning_curve.py ../shared/data/labels.csv --positive snow_leopard
    python benchmarks/learning_curve.py ../shared/data/tune.csv --positive snow_leopard --beside ../shared/data/labels.csv

The head is scikit-learn's logistic regression with a fixed penalty, on the features of `--bundle` for the region that a
trap would score in each frame. The head is not kept, so rows of split `test` and `tune` may be used. In each round a
fifth of the places is held out (a sequence without a location is a place of its own), and N of the other sequences are
drawn. `--beside` adds a data set from which every head learns too; then N is the number of local sequences. A
sequence's score is the mean of its frames.
"""  # noqa: E501

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import FrameError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import sequences, shows
from uncia_training.datasets.pictures import read_picture
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.data_pass import pass_over
from uncia_training.parallel import PerThread, parallel_map

NUMBERS = (0, 5, 10, 20, 40, 80, 160, 320)
STARTER = Path(__file__).parents[1] / "models" / "snow-leopard-starter-2.uncia"


class Survey:
    """Sequences with the features of their frames."""

    def __init__(self, data: Path, positive: Sequence[str], bundle: Path) -> None:
        loaded, workers = read_bundle(bundle), os.cpu_count() or 1
        pictures = read_data(data, positive)
        _, crops = pass_over(pictures, loaded.manifest.region_rule, (), lambda _: False, workers)
        scored = [crop for crop in crops if crop.scored]
        classifier = PerThread(lambda: Classifier(loaded))
        work = partial(_features, classifier=classifier, size=loaded.manifest.input_size)
        rows = {crop.picture.file: row for crop, row in zip(scored, parallel_map(work, scored, workers), strict=True)}
        bursts = [[one for one in burst if rows.get(one.file) is not None] for burst in sequences(pictures)]
        self.bursts = [burst for burst in bursts if burst]
        self.features = [np.stack([rows[one.file] for one in burst]) for burst in self.bursts]
        self.truth = np.array([shows(burst, positive) for burst in self.bursts])
        self.frame_truth = [np.array([one.label in positive for one in burst]) for burst in self.bursts]
        self.places = [one[0].location or f"sequence {number}" for number, one in enumerate(self.bursts)]


def _features(crop: Crop, classifier: PerThread[Classifier], size: tuple[int, int]) -> np.ndarray | None:
    try:
        return classifier().features(model_input(read_picture(crop.picture), size, crop.region))
    except FrameError:
        return None


def rows(survey: Survey, chosen: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Features and truth of the frames of some sequences."""
    return [survey.features[n] for n in chosen], [survey.frame_truth[n] for n in chosen]


def one_round(
    survey: Survey, beside: Survey | None, chance: np.random.Generator, strength: float
) -> dict[int, tuple[float, float]]:
    """Average precision and ROC AUC for each number of sequences, with one draw of held-out places."""
    names = sorted(set(survey.places))
    held_out = set(chance.permutation(names)[: max(2, len(names) // 5)].tolist())
    order = chance.permutation(len(survey.places))
    test = [n for n in order if survey.places[n] in held_out]
    train = [n for n in order if survey.places[n] not in held_out]
    found = {}
    for number in NUMBERS:
        if number > len(train):
            break
        x, y = rows(survey, train[:number])
        if beside is not None:
            more = rows(beside, range(len(beside.bursts)))
            x, y = x + more[0], y + more[1]
        if len(set(np.concatenate(y).tolist()) if y else ()) < 2 or len(set(survey.truth[test].tolist())) < 2:
            continue
        head = LogisticRegression(C=strength, class_weight="balanced", solver="liblinear")
        head.fit(np.concatenate(x), np.concatenate(y))
        scores = [head.predict_proba(survey.features[n])[:, 1].mean() for n in test]
        found[number] = (average_precision_score(survey.truth[test], scores), roc_auc_score(survey.truth[test], scores))
    return found


def main() -> None:
    """Print a line for each number of sequences: mean and spread over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--positive", action="append", required=True)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--bundle", type=Path, default=STARTER)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--c", type=float, default=0.01)
    given = parser.parse_args()
    survey = Survey(given.data, given.positive, given.bundle)
    beside = Survey(given.beside, given.positive, given.bundle) if given.beside else None
    print(f"{len(survey.bursts)} sequences, {survey.truth.sum()} positive, {len(set(survey.places))} places")
    chance = np.random.default_rng(0)
    rounds = [one_round(survey, beside, chance, given.c) for _ in range(given.rounds)]
    print("sequences  rounds  average precision  ROC AUC  (mean, and standard deviation over rounds)")
    for number in NUMBERS:
        told = np.array([one[number] for one in rounds if number in one])
        if len(told):
            (ap, auc), (ap_spread, auc_spread) = told.mean(axis=0), told.std(axis=0)
            print(f"{number:9}  {len(told):6}  {ap:.3f} ({ap_spread:.3f})      {auc:.3f} ({auc_spread:.3f})")


if __name__ == "__main__":
    main()
