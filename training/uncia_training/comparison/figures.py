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

from uncia_training.fitting.metrics import (
    AT_1_PERCENT,
    BINS,
    FALSE_POSITIVE_RATE,
    as_dict,
    bin_numbers,
    bootstrap,
    intervals,
    measure,
    middle,
)

Values = NDArray[np.float64]
COMPARED = ("accuracy", "roc_auc", "average_precision")
INTERVALS = (*COMPARED, "recall", "false_positive_rate", AT_1_PERCENT)
PLACE_DRAWS = 200  # there may be many places


@dataclass(frozen=True, eq=False)
class LabelledScores:
    """Held-out scores of one system, with the labels.

    `probabilities` are (pictures, classes), `sequence_scores` (sequences,); `alone` (pictures,) is what each picture
    scores by itself, before an ensemble takes the mean of its sequence.
    """

    probabilities: Values
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    sequence_scores: Values
    sequence_truth: NDArray[np.bool_]
    alone: Values

    @property
    def scores(self) -> Values:
        """Probability of the positive labels together (pictures,)."""
        result: Values = 1.0 - self.probabilities[:, 0]
        return result

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether a picture shows a positive label (pictures,)."""
        result: NDArray[np.bool_] = self.labels > 0
        return result


def recall_at(truth: NDArray[np.bool_], scores: Values, rate: float = FALSE_POSITIVE_RATE) -> float | None:
    """The recall at the threshold at which at most this share of negatives is called positive."""
    if not truth.any() or truth.all():
        return None
    false_alarms, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(recall[false_alarms <= rate].max())


def frame_figures(scored: LabelledScores, threshold: float, part: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Accuracy, ROC AUC, average precision, recall and recall at 1 % false positives, with intervals."""
    chosen = np.ones(len(scored.labels), bool) if part is None else part
    return _figures(scored.truth[chosen], scored.scores[chosen], scored.sequences[chosen], threshold)


def sequence_figures(
    scored: LabelledScores, threshold: float, negatives_per_day: float, part: NDArray[np.intp] | None = None
) -> dict[str, Any]:
    """The same over sequences (those numbered in `part`), with false alarms a day at so many negative ones a day."""
    chosen = np.arange(len(scored.sequence_truth)) if part is None else part
    figures = _figures(scored.sequence_truth[chosen], scored.sequence_scores[chosen], chosen, threshold)
    rate, spread = figures["false_positive_rate"], figures["false_positive_rate_interval"]
    figures["false_alarms_per_day"] = (rate or 0.0) * negatives_per_day
    figures["false_alarms_per_day_interval"] = [end * negatives_per_day for end in spread] if spread else None
    return figures


def _figures(truth: NDArray[np.bool_], scores: Values, groups: NDArray[np.intp], threshold: float) -> dict[str, Any]:
    figures: dict[str, Any] = as_dict(measure(truth.tolist(), scores.tolist(), threshold))
    called = scores >= threshold
    figures |= {
        "positives": int(truth.sum()),
        "recall": float(called[truth].mean()) if truth.any() else None,
        "false_positive_rate": float(called[~truth].mean()) if (~truth).any() else None,
        AT_1_PERCENT: recall_at(truth, scores),
    }
    drawn = bootstrap(truth.tolist(), scores.tolist(), groups.astype(str).tolist(), threshold) if len(truth) else {}
    for name in INTERVALS:
        figures[f"{name}_interval"] = middle(drawn[name]) if name in drawn else None
    return figures


def differences(one: LabelledScores, other: LabelledScores, thresholds: tuple[float, float]) -> dict[str, Any]:
    """By how much `one` exceeds `other`, frames and sequences, with intervals of draws that both share."""
    levels = {
        "frames": [(part.truth, part.scores, part.sequences) for part in (one, other)],
        "sequences": [
            (part.sequence_truth, part.sequence_scores, np.arange(len(part.sequence_truth))) for part in (one, other)
        ],
    }
    return {level: _difference(pair, thresholds) for level, pair in levels.items()}


def _difference(pair: Sequence[tuple[NDArray[Any], Values, NDArray[Any]]], at: tuple[float, float]) -> dict[str, Any]:
    drawn, plain = [], []
    for (truth, scores, groups), threshold in zip(pair, at, strict=True):
        drawn.append(bootstrap(truth.tolist(), scores.tolist(), groups.astype(str).tolist(), threshold))
        plain.append(as_dict(measure(truth.tolist(), scores.tolist(), threshold)))
    names = [name for name in COMPARED if all(one[name] is not None for one in plain)]
    return {
        key: value
        for name in names
        for key, value in (
            (name, float(str(plain[0][name])) - float(str(plain[1][name]))),
            (f"{name}_interval", middle(drawn[0][name] - drawn[1][name])),
        )
    }


def calibration(scored: LabelledScores) -> dict[str, Any]:
    """Of ten equal bins of probability: how many pictures, what was said and what was true; and the mean gap."""
    numbers = bin_numbers(scored.scores)
    bins = []
    for number in range(BINS):
        inside = numbers == number
        if inside.any():
            said, true = float(scored.scores[inside].mean()), float(scored.truth[inside].mean())
            bins.append({"from": number / BINS, "n": int(inside.sum()), "said": said, "true": true})
    gap = sum(one["n"] * abs(one["said"] - one["true"]) for one in bins) / max(len(scored.scores), 1)
    names = scored.sequences.astype(str).tolist()
    spread = middle(bootstrap(scored.truth.tolist(), scored.scores.tolist(), names)["expected_calibration_error"])
    return {"bins": bins, "expected_calibration_error": gap, "expected_calibration_error_interval": spread}


def confusion(scored: LabelledScores, threshold: float) -> list[list[int]]:
    """Counts, a row for each true class and a column for each given one, in the order of the classes.

    A picture is given its likeliest positive class where the positives together reach the threshold, else class 0.
    """
    given = np.where(scored.scores >= threshold, 1 + scored.probabilities[:, 1:].argmax(axis=1), 0)
    count = scored.probabilities.shape[1]
    return np.bincount(scored.labels * count + given, minlength=count * count).reshape(count, count).tolist()


def by_name(scored: LabelledScores, names: Sequence[str], threshold: float) -> dict[str, dict[str, Any]]:
    """For each name (a place, a source): pictures, positives, found, false alarms, accuracy and ROC AUC."""
    table: dict[str, dict[str, Any]] = {}
    named = np.asarray(names)
    positive = scored.scores >= threshold
    for name in sorted(set(names)):
        part = named == name
        truth, given = scored.truth[part], positive[part]
        groups = scored.sequences[part].astype(str).tolist()
        spread = intervals(truth.tolist(), scored.scores[part].tolist(), groups, threshold, PLACE_DRAWS)
        table[name] = {
            "n": int(part.sum()),
            "positives": int(truth.sum()),
            "found": int((truth & given).sum()),
            "false_alarms": int((~truth & given).sum()),
            "accuracy": float((truth == given).mean()),
            "accuracy_interval": spread.accuracy,
            "roc_auc": measure(truth.tolist(), scored.scores[part].tolist()).roc_auc,
            "roc_auc_interval": spread.roc_auc,
        }
    return table
