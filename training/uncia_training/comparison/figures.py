"""Computes the figures of one system in the comparison: overall, for sequences, by light, by place, and calibration.

Decides what the report counts: pictures that a fold held out, and their sequences; figures are means over the deals.
Intervals draw units of the split, or sequences if all pictures of a class are of one unit (such as within a place).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_training.fitting.label_figures import Called, called_class
from uncia_training.fitting.metrics import Figures, figures
from uncia_training.fitting.reliability import bins, reliability
from uncia_training.fitting.resampling import AT_1_PERCENT, Dealt

Values = NDArray[np.float64]
Part = NDArray[np.bool_] | NDArray[np.intp]
COMPARED = ("accuracy", "roc_auc", "average_precision", AT_1_PERCENT)
PLACE_DRAWS = 200  # there may be many places


@dataclass(frozen=True, eq=False)
class LabelledScores:
    """Held-out scores of one system in one deal, with the labels.

    `probabilities` are (pictures, classes), `sequence_scores` (sequences,); `alone` (pictures,) is the score of each
    picture before an ensemble takes the mean of its sequence; `units` (pictures,) are held out as a whole.
    """

    probabilities: Values
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    sequence_scores: Values
    sequence_truth: NDArray[np.bool_]
    alone: Values
    units: NDArray[np.intp]

    @property
    def scores(self) -> Values:
        """The sum of the positive labels' probabilities, (pictures,)."""
        result: Values = 1.0 - self.probabilities[:, 0]
        return result

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether a picture has a positive label, (pictures,)."""
        result: NDArray[np.bool_] = self.labels > 0
        return result


def frames(deals: Sequence[LabelledScores], part: Part) -> Dealt:
    """The data for figures of some pictures, with the scores of each deal."""
    one = deals[0]
    dealt = Dealt(one.truth, np.stack([deal.scores for deal in deals]), one.units)
    return _spread(dealt.part(part), one.sequences[part])


def sequences(deals: Sequence[LabelledScores], part: Part) -> Dealt:
    """The data for figures of some sequences, with the scores of each deal."""
    one = deals[0]
    first = np.unique(one.sequences, return_index=True)[1]
    dealt = Dealt(one.sequence_truth, np.stack([deal.sequence_scores for deal in deals]), one.units[first])
    return _spread(dealt.part(part), np.arange(len(first))[part])


def _spread(dealt: Dealt, finer: NDArray[np.intp]) -> Dealt:
    """The same data; with sequences as units if a class is one unit, whose draws would all be equal."""
    if 1 in (dealt.positive_units, dealt.negative_units):
        return replace(dealt, units=finer)
    return dealt


def frame_figures(deals: Sequence[LabelledScores], threshold: float, part: Part) -> dict[str, Any]:
    """The figures of some pictures, with intervals."""
    return figures(frames(deals, part), threshold).as_dict()


def sequence_figures(found: Figures, negatives_per_day: float) -> dict[str, Any]:
    """The figures of sequences, with the false alarms a day for this number of negative sequences a day."""
    content = found.as_dict()
    rate, spread = content["false_positive_rate"], content["false_positive_rate_interval"]
    content["false_alarms_per_day"] = (rate or 0.0) * negatives_per_day
    content["false_alarms_per_day_interval"] = [end * negatives_per_day for end in spread] if spread else None
    return content


def difference(one: Figures, other: Figures) -> dict[str, Any]:
    """The differences `one` - `other`, with intervals of draws that both share."""
    content: dict[str, Any] = {}
    for name in COMPARED:
        if (gap := one.exceeds(other, name)) is not None:
            content[name], content[f"{name}_interval"] = gap
    return content


def calibration(dealt: Dealt, prior: float) -> dict[str, Any]:
    """Ten equal bins of probability, with number of pictures, mean probability and share of positives; the error.

    `prior` is the share of positives that the probabilities are for; pictures are weighted to it.
    """
    return {"bins": bins(dealt, prior), **reliability(dealt, prior)}


def frame_labels(deals: Sequence[LabelledScores], threshold: float, part: Part) -> Called:
    """The true class of some pictures, and the called class in each deal."""
    called = [called_class(deal.probabilities, deal.scores, threshold)[part] for deal in deals]
    return Called(deals[0].labels[part], np.stack(called), frames(deals, part).units)


def sequence_labels(deals: Sequence[LabelledScores], threshold: float, part: Part) -> Called:
    """The true class of some sequences (of the first frame with a positive label), and the called class in each deal.

    A sequence's likeliest label is that of the mean of its pictures.
    """
    one = deals[0]
    truth = np.zeros(len(one.sequence_truth), np.intp)
    shows = np.flatnonzero(one.truth)
    named, first = np.unique(one.sequences[shows], return_index=True)
    truth[named] = one.labels[shows[first]]
    called = []
    for deal in deals:
        total = np.zeros((len(truth), deal.probabilities.shape[1]))
        np.add.at(total, deal.sequences, deal.probabilities)
        called.append(called_class(total, deal.sequence_scores, threshold)[part])
    return Called(truth[part], np.stack(called), sequences(deals, part).units)


def by_name(
    deals: Sequence[LabelledScores], names: Sequence[str], threshold: float, part: NDArray[np.bool_]
) -> dict[str, dict[str, Any]]:
    """For each name (a place or a source): pictures, positives, found, false alarms, accuracy and ROC AUC."""
    table: dict[str, dict[str, Any]] = {}
    named = np.asarray(names)
    for name in np.unique(named[part]).tolist():
        one = frames(deals, part & (named == name))
        found = figures(one, threshold, PLACE_DRAWS)
        positives = int(one.truth.sum())
        table[name] = {
            "n": len(one.truth),
            "positives": positives,
            "found": (found.values["recall"] or 0.0) * positives,
            "false_alarms": (found.values["false_positive_rate"] or 0.0) * (len(one.truth) - positives),
            **{key: found.values[key] for key in ("accuracy", "roc_auc")},
            **{f"{key}_interval": found.interval(key) for key in ("accuracy", "roc_auc")},
        }
    return table
