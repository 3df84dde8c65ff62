"""How good scores are: accuracy, ROC AUC and average precision, each with a bootstrap interval over sequences."""

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Numbers = NDArray[np.float64]
Interval = tuple[float, float]

AT_1_PERCENT = "recall_at_1_percent_false_positives"
FALSE_POSITIVE_RATE = 0.01
BINS = 10
DRAWN_AT_ONCE = 2_000_000  # pictures, in all draws that are held at once


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
    """95 % intervals of the figures over draws of whole groups; see `bootstrap`."""
    drawn = bootstrap(truth, scores, groups, threshold, draws, seed)
    ranked = [middle(drawn[name]) if name in drawn else None for name in ("roc_auc", "average_precision")]
    return Intervals(middle(drawn["accuracy"]), *ranked)


def bootstrap(
    truth: Sequence[bool],
    scores: Sequence[float],
    groups: Sequence[str],
    threshold: float = 0.5,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Numbers]:
    """Each figure's value (draws,) in draws of whole groups with replacement, positives and negatives apart.

    Drawing within the classes keeps every draw rankable; groups rather than pictures, for the frames of one sequence
    are one observation. Equal groups and seed give equal draws, so that systems can be compared draw by draw. Figures
    that need both classes are left out where there is one.
    """
    actual, given = np.asarray(truth, bool), np.asarray(scores, np.float64)
    chance, parts = np.random.default_rng(seed), []
    at_once = max(1, DRAWN_AT_ONCE // max(len(actual), 1))
    for start in range(0, draws, at_once):
        counts = _draws(actual, groups, min(at_once, draws - start), chance)
        parts.append(_figures(actual, given, threshold, counts))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _figures(actual: NDArray[np.bool_], given: Numbers, threshold: float, counts: Numbers) -> dict[str, Numbers]:
    called = given >= threshold
    figures = {
        "accuracy": counts @ (called == actual) / counts.sum(axis=1),
        "expected_calibration_error": _calibration_error(actual, given, counts),
    }
    if actual.any():
        figures["recall"] = counts @ (called & actual) / (counts @ actual)
    if not actual.all():
        figures["false_positive_rate"] = counts @ (called & ~actual) / (counts @ ~actual)
    if actual.any() and not actual.all():
        figures |= _ranked(actual, given, counts)
    return figures


def _calibration_error(actual: NDArray[np.bool_], given: Numbers, counts: Numbers) -> Numbers:
    """Mean gap between said and true over ten equal bins of probability, for each draw."""
    inside = bin_numbers(given)[:, np.newaxis] == np.arange(BINS)
    gaps = counts @ (inside * (given - actual)[:, np.newaxis])
    error: Numbers = np.abs(gaps).sum(axis=1) / counts.sum(axis=1)
    return error


def bin_numbers(given: Numbers) -> NDArray[np.intp]:
    """Which of ten equal bins each probability falls into."""
    return np.minimum((given * BINS).astype(np.intp), BINS - 1)


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


def _ranked(actual: NDArray[np.bool_], given: Numbers, counts: Numbers) -> dict[str, Numbers]:
    """ROC AUC, average precision and recall at 1 % false positives of each draw (draws,).

    Equal scores are taken together, as scikit-learn does.
    """
    order = np.argsort(-given, kind="stable")
    starts = np.flatnonzero(np.diff(given[order], prepend=np.inf))
    positives = np.add.reduceat(counts[:, order] * actual[order], starts, axis=1)
    negatives = np.add.reduceat(counts[:, order] * ~actual[order], starts, axis=1)
    found, alarms = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    total, false = found[:, -1:], alarms[:, -1:]
    precision = found / np.maximum(found + alarms, 1)
    return {
        "roc_auc": (negatives * (found - positives / 2)).sum(axis=1) / (total * false)[:, 0],
        "average_precision": (positives / total * precision).sum(axis=1),
        AT_1_PERCENT: (found * (alarms <= FALSE_POSITIVE_RATE * false)).max(axis=1) / total[:, 0],
    }


def middle(values: Numbers) -> Interval:
    """The middle 95 % of the draws."""
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def as_dict(metrics: Metrics, spread: Intervals | None = None) -> dict[str, object]:
    """The figures under their documented names, with `*_interval` beside each where there are any."""
    figures: dict[str, object] = msgspec.to_builtins(metrics)
    if spread is not None:
        figures |= {f"{name}_interval": value for name, value in msgspec.to_builtins(spread).items()}
    return figures
