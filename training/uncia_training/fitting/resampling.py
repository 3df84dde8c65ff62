"""Bootstrap: figures of many draws of whole units with replacement, from which intervals are computed.

Units are what a split keeps together: places, sources or sequences. Units with and without positives are drawn
separately. Each draw uses one of the deals, so that the draws include the spread between deals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Truth = NDArray[np.bool_]

AT_1_PERCENT = "recall_at_1_percent_false_positives"
FALSE_POSITIVE_RATE = 0.01
DRAWS = 1000
DRAWN_AT_ONCE = 2_000_000  # the most items times draws in memory


@dataclass(frozen=True, eq=False)
class Dealt:
    """Items (pictures or sequences) with their held-out scores in each deal, which is one division into folds.

    `truth` is (items,), `scores` (deals, items), `units` (items,) the number of each item's unit.
    """

    truth: Truth
    scores: Numbers
    units: NDArray[np.intp]

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Dealt":
        """Some of the items."""
        return Dealt(self.truth[chosen], self.scores[:, chosen], self.units[chosen])

    @property
    def positive_units(self) -> int:
        """The number of units with positives."""
        return len(np.unique(self.units[self.truth]))

    @property
    def negative_units(self) -> int:
        """The number of units with negatives."""
        return len(np.unique(self.units[~self.truth]))

    @property
    def has_both(self) -> bool:
        """Whether there are positives and negatives."""
        return bool(self.truth.any() and not self.truth.all())


def bootstrap(dealt: Dealt, threshold: float, draws: int = DRAWS, seed: int = 0) -> dict[str, Numbers]:
    """The value of each figure in each draw, (draws,); NaN in a draw that does not define it.

    Equal units and seed give equal draws, so that systems can be compared draw by draw. Of m units, m - 1 are drawn
    with weight m / (m - 1); with these weights the draws have the right variance even for few units (Rao and Wu 1988).
    """
    chance = np.random.default_rng(seed)
    deals = len(dealt.scores)
    at_once = max(1, DRAWN_AT_ONCE // max(len(dealt.truth), 1))
    drawn: dict[str, Numbers] = {}
    for start in range(0, draws, at_once):
        number = np.arange(start, min(start + at_once, draws))
        weights = weights_of_draws(dealt, len(number), chance)
        for deal in range(deals):
            own = number % deals == deal
            for name, values in figures_of_draws(dealt.truth, dealt.scores[deal], threshold, weights[own]).items():
                drawn.setdefault(name, np.full(draws, np.nan))[number[own]] = values
    return drawn


def weights_of_draws(dealt: Dealt, draws: int, chance: np.random.Generator) -> Numbers:
    """The weight of each item in each draw, (draws, items)."""
    names, unit = np.unique(dealt.units, return_inverse=True)
    weights = np.zeros((draws, len(names)))
    positive = np.zeros(len(names), bool)
    positive[unit[dealt.truth]] = True
    for stratum in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        many = len(stratum)
        if many < 2:
            weights[:, stratum] = 1.0
            continue
        picked = chance.integers(0, many, (draws, many - 1)) + many * np.arange(draws)[:, np.newaxis]
        counts = np.bincount(picked.ravel(), minlength=draws * many).reshape(draws, many)
        weights[:, stratum] = counts * (many / (many - 1))
    return weights[:, unit]


def figures_of_draws(truth: Truth, scores: Numbers, threshold: float, weights: Numbers) -> dict[str, Numbers]:
    """All figures that the classes define, each (draws,), for weights (draws, items)."""
    called = scores >= threshold
    figures = {"accuracy": share_of_draws(weights, called == truth, np.ones_like(truth))}
    if truth.any():
        figures["recall"] = share_of_draws(weights, called & truth, truth)
    if not truth.all():
        figures["false_positive_rate"] = share_of_draws(weights, called & ~truth, ~truth)
    return figures | (ranked(truth, scores, weights) if truth.any() and not truth.all() else {})


def share_of_draws(weights: Numbers, of: Truth, among: Truth) -> Numbers:
    """The share of the items `of` in the items `among`, (draws,), for weights (draws, items); NaN without any."""
    whole = weights @ among
    return np.divide(weights @ of, whole, out=np.full(len(weights), np.nan), where=whole > 0)


def ranked(truth: Truth, scores: Numbers, weights: Numbers) -> dict[str, Numbers]:
    """ROC AUC, average precision and recall at 1 % false positives of each draw, (draws,).

    Equal scores are treated together, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    sorted_weights = weights[:, order]
    positives = np.add.reduceat(sorted_weights * truth[order], starts, axis=1)
    negatives = np.add.reduceat(sorted_weights * ~truth[order], starts, axis=1)
    found, alarms = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    total, false = found[:, -1:].copy(), alarms[:, -1:].copy()
    total[total == 0], false[false == 0] = np.nan, np.nan
    precision = found / np.maximum(found + alarms, np.finfo(float).tiny)
    allowed = FALSE_POSITIVE_RATE * false * (1 + 1e-9)  # because sums of weights are rounded
    return {
        "roc_auc": (negatives * (found - positives / 2)).sum(axis=1) / (total * false)[:, 0],
        "average_precision": (positives / total * precision).sum(axis=1),
        AT_1_PERCENT: (found * (alarms <= allowed)).max(axis=1) / total[:, 0] + 0 * false[:, 0],
    }
