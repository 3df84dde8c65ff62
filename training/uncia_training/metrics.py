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
    members = _members(actual, groups)
    chance = np.random.default_rng(seed)
    figures = []
    for _ in range(draws):
        chosen = np.concatenate([_draw(part, chance) for part in members if part])
        figures.append(measure(actual[chosen], given[chosen], threshold))
    return Intervals(
        accuracy=_middle([figure.accuracy for figure in figures]) or (0.0, 1.0),
        roc_auc=_middle([figure.roc_auc for figure in figures]),
        average_precision=_middle([figure.average_precision for figure in figures]),
    )


def _members(actual: NDArray[np.bool_], groups: Sequence[str]) -> list[list[NDArray[np.intp]]]:
    """For negatives and positives, the indices of each group."""
    names = np.asarray(groups)
    return [[np.flatnonzero((names == name) & (actual == side)) for name in np.unique(names[actual == side])]
            for side in (False, True)]  # fmt: skip


def _draw(parts: list[NDArray[np.intp]], chance: np.random.Generator) -> NDArray[np.intp]:
    return np.concatenate([parts[index] for index in chance.integers(0, len(parts), len(parts))])


def _middle(values: Sequence[float | None]) -> Interval | None:
    known = [value for value in values if value is not None]
    return (float(np.percentile(known, 2.5)), float(np.percentile(known, 97.5))) if known else None


def as_dict(metrics: Metrics, spread: Intervals | None = None) -> dict[str, object]:
    """The figures under their documented names, with `*_interval` beside each where there are any."""
    figures: dict[str, object] = msgspec.to_builtins(metrics)
    if spread is not None:
        figures |= {f"{name}_interval": value for name, value in msgspec.to_builtins(spread).items()}
    return figures


Measure = Callable[[Sequence[bool], Sequence[float]], Metrics]
