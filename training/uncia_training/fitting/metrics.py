"""Figures of scores: accuracy, recall, ROC AUC, average precision and others, each with a 95 % interval.

A deal is one division of the data into folds. A figure of several deals is the mean of the deals' figures; a figure of
averaged scores would be that of an ensemble, which is not used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from uncia_training.fitting.intervals import Interval, of_difference, of_ranking, of_share
from uncia_training.fitting.resampling import (
    AT_1_PERCENT,
    DRAWS,
    Dealt,
    Numbers,
    bootstrap,
    figures_of_draws,
)

SHARES = ("accuracy", "recall", "false_positive_rate")
RANKED = ("roc_auc", "average_precision", AT_1_PERCENT)
NAMES = (*SHARES, *RANKED)


@dataclass(frozen=True, eq=False)
class Figures:
    """All figures of one system: values and draws; a value is None if the data do not define it."""

    dealt: Dealt
    values: dict[str, float | None]
    drawn: dict[str, Numbers]

    def interval(self, name: str) -> Interval | None:
        """The 95 % interval of a figure; None if it is not defined."""
        value, dealt = self.values[name], self.dealt
        if value is None or name not in self.drawn:
            return None
        if name in RANKED:
            return of_ranking(value, self.drawn[name], min(dealt.positive_units, dealt.negative_units))
        items, units = {
            "accuracy": (len(dealt.truth), len(np.unique(dealt.units))),
            "recall": (int(dealt.truth.sum()), dealt.positive_units),
            "false_positive_rate": (int((~dealt.truth).sum()), dealt.negative_units),
        }[name]
        return of_share(value, self.drawn[name], items, units)

    def exceeds(self, other: "Figures", name: str) -> tuple[float, Interval | None] | None:
        """The difference of a figure to another system's on the same items, and its interval from the same draws."""
        value, rival = self.values[name], other.values[name]
        if value is None or rival is None:
            return None
        units = min(self.dealt.positive_units, self.dealt.negative_units)
        return value - rival, of_difference(value - rival, self.drawn[name] - other.drawn[name], units)

    def as_dict(self) -> dict[str, Any]:
        """The figures by their documented names, each with its `*_interval`."""
        truth = self.dealt.truth
        share = float(truth.mean()) if len(truth) else None
        content: dict[str, Any] = {
            "n": len(truth),
            "positives": int(truth.sum()),
            "prevalence": share,
            "always_no_accuracy": None if share is None else 1 - share,
        }
        for name in NAMES:
            content |= {name: self.values[name], f"{name}_interval": self.interval(name)}
        return content


def figures(dealt: Dealt, threshold: float, draws: int = DRAWS, seed: int = 0) -> Figures:
    """The figures of all deals: means, and bootstrap draws."""
    drawn = bootstrap(dealt, threshold, draws, seed) if len(dealt.truth) else {}
    return Figures(dealt, values(dealt, threshold), drawn)


def values(dealt: Dealt, threshold: float) -> dict[str, float | None]:
    """The mean of each figure over the deals; None if the data do not define it."""
    if not len(dealt.truth):
        return dict.fromkeys(NAMES)
    once = np.ones((1, len(dealt.truth)))
    each = [figures_of_draws(dealt.truth, scores, threshold, once) for scores in dealt.scores]
    return {name: float(np.mean([one[name] for one in each])) if name in each[0] else None for name in NAMES}
