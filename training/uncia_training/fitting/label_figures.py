"""Precision and recall of each positive label, and the confusion table.

An item (a picture or a sequence) is called by its likeliest positive label if the positive labels together reach the
threshold, else none (class 0). A lynx called fox lowers the recall of lynx and the precision of fox.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_training.fitting.intervals import Interval, of_share
from uncia_training.fitting.resampling import (
    DRAWN_AT_ONCE,
    DRAWS,
    Dealt,
    Numbers,
    Truth,
    share_of_draws,
    weights_of_draws,
)

Classes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Called:
    """The true and the given classes of items; class 0 is none of the positive labels.

    `truth` is (items,), `called` (deals, items), `units` (items,) the number of each item's unit. A deal is one
    division of the data into folds.
    """

    truth: Classes
    called: Classes
    units: Classes


def called_class(probabilities: Numbers, together: Numbers, threshold: float) -> Classes:
    """The class given to each item (items,), from probabilities (items, classes) and of all positives (items,)."""
    likeliest = 1 + probabilities[:, 1:].argmax(axis=1)
    return np.where(together >= threshold, likeliest, 0)


def confusion(items: Called, classes: int) -> list[list[float]]:
    """The confusion table, mean counts over the deals: a row for each true class, a column for each given class."""
    both = (items.truth * classes + items.called).ravel()
    counts = np.bincount(both, minlength=classes * classes) / len(items.called)
    table: list[list[float]] = counts.reshape(classes, classes).tolist()
    return table


def label_figures(items: Called, number: int) -> dict[str, Any]:
    """For the label with that number: the number of items, precision and recall with intervals; None if undefined."""
    shown = np.broadcast_to(items.truth == number, items.called.shape)
    called = items.called == number
    figures: dict[str, Any] = {"n": int(shown[0].sum())}
    for name, among in (("precision", called), ("recall", shown)):
        figures[name], figures[f"{name}_interval"] = _share(items, shown & called, among)
    return figures


def _share(items: Called, of: Truth, among: Truth) -> tuple[float | None, Interval | None]:
    """The share of `of` in `among` (both (deals, items)), mean over the deals that define it, and its interval."""
    counts = among.sum(axis=1)
    if not counts.any():
        return None, None
    defined = counts > 0
    value = float((of.sum(axis=1)[defined] / counts[defined]).mean())
    drawn = np.concatenate([*_drawn(items, of[defined], among[defined])])
    many, units = round(float(counts[defined].mean())), len(np.unique(items.units[among.any(axis=0)]))
    return value, of_share(value, drawn, many, units)


def _drawn(items: Called, of: Truth, among: Truth) -> Iterator[Numbers]:
    """The share in draws of whole units, each of one deal; NaN if a draw does not define it."""
    chance = np.random.default_rng(0)
    dealt = Dealt(items.truth > 0, np.zeros((1, len(items.truth))), items.units)
    draws = max(1, min(DRAWS // len(of), DRAWN_AT_ONCE // max(len(items.truth), 1)))
    for start in range(0, DRAWS, draws):
        deal = start // draws % len(of)
        yield share_of_draws(weights_of_draws(dealt, draws, chance), of[deal], among[deal])
