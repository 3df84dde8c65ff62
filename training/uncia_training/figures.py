"""All figures of one system in the comparison: overall, for sequences, by light, by place, and how calibrated it is.

Decides what the report counts. Frame figures count pictures, sequence figures count sequences; all intervals draw
whole sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from uncia_training.metrics import as_dict, intervals, measure

Scores = NDArray[np.float64]
FALSE_POSITIVE_RATE = 0.01
BINS = 10


@dataclass(frozen=True, eq=False)
class Scored:
    """Held-out pictures of one system: `probabilities` (pictures, classes), `sequence_scores` (sequences,)."""

    probabilities: Scores
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    sequence_scores: Scores
    sequence_truth: NDArray[np.bool_]

    @property
    def scores(self) -> Scores:
        """Probability of the positive labels together (pictures,)."""
        result: Scores = 1.0 - self.probabilities[:, 0]
        return result

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether a picture shows a positive label (pictures,)."""
        result: NDArray[np.bool_] = self.labels > 0
        return result


def recall_at(truth: NDArray[np.bool_], scores: Scores, rate: float = FALSE_POSITIVE_RATE) -> float | None:
    """The recall at the threshold at which at most this share of negatives is called positive."""
    if not truth.any() or truth.all():
        return None
    false_alarms, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(recall[false_alarms <= rate].max())


def frame_figures(scored: Scored, threshold: float, part: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Accuracy, ROC AUC, average precision with intervals, and recall at 1 % false positives."""
    chosen = np.ones(len(scored.labels), bool) if part is None else part
    return _figures(scored.truth[chosen], scored.scores[chosen], scored.sequences[chosen], threshold)


def sequence_figures(scored: Scored, threshold: float, negatives_per_day: float) -> dict[str, Any]:
    """The same over sequences, with false alarms a day at that many negative sequences a day."""
    truth, scores = scored.sequence_truth, scored.sequence_scores
    figures = _figures(truth, scores, np.arange(len(truth)), threshold)
    wrong = float((scores[~truth] >= threshold).mean()) if (~truth).any() else 0.0
    figures |= {"false_positive_rate": wrong, "false_alarms_per_day": wrong * negatives_per_day}
    return figures | {"recall": float((scores[truth] >= threshold).mean()) if truth.any() else None}


def _figures(truth: NDArray[np.bool_], scores: Scores, groups: NDArray[np.intp], threshold: float) -> dict[str, Any]:
    names = [str(group) for group in groups]
    figures = as_dict(
        measure(truth.tolist(), scores.tolist(), threshold),
        intervals(truth.tolist(), scores.tolist(), names, threshold) if len(truth) else None,
    )
    return figures | {"recall_at_1_percent_false_positives": recall_at(truth, scores), "positives": int(truth.sum())}


def calibration(scored: Scored) -> dict[str, Any]:
    """Of ten equal bins of probability: how many pictures, what was said and what was true; and the mean gap."""
    numbers = np.minimum((scored.scores * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = numbers == number
        if inside.any():
            said, true = float(scored.scores[inside].mean()), float(scored.truth[inside].mean())
            bins.append({"from": number / BINS, "n": int(inside.sum()), "said": said, "true": true})
    gap = sum(one["n"] * abs(one["said"] - one["true"]) for one in bins) / max(len(scored.scores), 1)
    return {"bins": bins, "expected_calibration_error": gap}


def confusion(scored: Scored, threshold: float) -> list[list[int]]:
    """Counts, a row for each true class and a column for each given one, in the order of the classes.

    A picture is given its likeliest positive class where the positives together reach the threshold, else class 0.
    """
    given = np.where(scored.scores >= threshold, 1 + scored.probabilities[:, 1:].argmax(axis=1), 0)
    count = scored.probabilities.shape[1]
    return np.bincount(scored.labels * count + given, minlength=count * count).reshape(count, count).tolist()


def by_name(scored: Scored, names: Sequence[str], threshold: float) -> dict[str, dict[str, Any]]:
    """Plain counts for each name (a place, a source): pictures, positives, found, false alarms, accuracy."""
    table: dict[str, dict[str, Any]] = {}
    named = np.asarray(names)
    positive = scored.scores >= threshold
    for name in sorted(set(names)):
        part = named == name
        truth, given = scored.truth[part], positive[part]
        table[name] = {
            "n": int(part.sum()),
            "positives": int(truth.sum()),
            "found": int((truth & given).sum()),
            "false_alarms": int((~truth & given).sum()),
            "accuracy": float((truth == given).mean()),
            "roc_auc": measure(truth.tolist(), scored.scores[part].tolist()).roc_auc,
        }
    return table
