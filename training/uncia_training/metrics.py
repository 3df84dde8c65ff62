"""How good scores are: accuracy, ROC AUC and average precision, each with a bootstrap interval over sequences."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Numbers = NDArray[np.float64]
Interval = tuple[float, float]


class Metrics(Struct, frozen=True):
    """Figures of one set of scores; None where there is only one class, so that nothing can be ranked."""

    n: int
    accuracy: float
    roc_auc: float | None
    average_precision: float | None


class Intervals(Struct, frozen=True):
    """95 % bootstrap intervals over groups (sequences); None where the figure has none."""

    accuracy: Interval
    roc_auc: Interval | None
    average_precision: Interval | None


def measure(truth: Sequence[bool], scores: Sequence[float], threshold: float = 0.5) -> Metrics:
    """The figures of probabilities in [0, 1] against the truth."""
    actual, given = np.asarray(truth, bool), np.asarray(scores, np.float64)
    if len(actual) == 0:
        return Metrics(0, 0.0, None, None)
    both = bool(actual.any() and not actual.all())
    return Metrics(
        n=len(actual),
        accuracy=float(((given >= threshold) == actual).mean()),
        roc_auc=float(roc_auc_score(actual, given)) if both else None,
        average_precision=float(average_precision_score(actual, given)) if both else None,
    )


def intervals(
    truth: Sequence[bool],
    scores: Sequence[float],
    groups: Sequence[str],
    threshold: float = 0.5,
    draws: int = 1000,
    seed: int = 0,
) -> Intervals:
    """95 % intervals by drawing whole groups with replacement, positives and negatives apart.

    Drawing within the classes keeps every draw rankable; groups rather than pictures, for the frames of one sequence
    are one observation.
    """
    actual, given = np.asarray(truth, bool), np.asarray(scores, np.float64)
    counts = _draws(actual, groups, draws, np.random.default_rng(seed))
    right = (given >= threshold) == actual
    ranked = _ranked(actual, given, counts) if actual.any() and not actual.all() else None
    return Intervals(
        accuracy=_middle(counts @ right / counts.sum(axis=1)),
        roc_auc=_middle(ranked[0]) if ranked else None,
        average_precision=_middle(ranked[1]) if ranked else None,
    )


def _draws(actual: NDArray[np.bool_], groups: Sequence[str], draws: int, chance: np.random.Generator) -> Numbers:
    """How often each picture is drawn (draws, pictures): groups with replacement, negatives and positives apart."""
    names = np.asarray(groups)
    counts = np.zeros((draws, len(actual)))
    sides = [np.flatnonzero(actual == side) for side in (False, True)]
    members = [np.unique(names[side], return_inverse=True)[1] for side in sides]
    for row in counts:
        for side, member in zip(sides, members, strict=True):
            if len(side):
                many = int(member.max()) + 1
                row[side] = np.bincount(chance.integers(0, many, many), minlength=many)[member]
    return counts


def _ranked(actual: NDArray[np.bool_], given: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """ROC AUC and average precision of each draw (draws,), equal scores taken together as scikit-learn does."""
    order = np.argsort(-given, kind="stable")
    starts = np.flatnonzero(np.diff(given[order], prepend=np.inf))
    positives = np.add.reduceat(counts[:, order] * actual[order], starts, axis=1)
    negatives = np.add.reduceat(counts[:, order] * ~actual[order], starts, axis=1)
    found, alarms = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    total, false = found[:, -1:], alarms[:, -1:]
    area = (negatives * (found - positives / 2)).sum(axis=1) / (total * false)[:, 0]
    precision = found / np.maximum(found + alarms, 1)
    return area, (positives / total * precision).sum(axis=1)


def _middle(values: Numbers) -> Interval:
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def as_dict(metrics: Metrics, spread: Intervals | None = None) -> dict[str, object]:
    """The figures under their documented names, with `*_interval` beside each where there are any."""
    figures: dict[str, object] = msgspec.to_builtins(metrics)
    if spread is not None:
        figures |= {f"{name}_interval": value for name, value in msgspec.to_builtins(spread).items()}
    return figures


Measure = Callable[[Sequence[bool], Sequence[float]], Metrics]
