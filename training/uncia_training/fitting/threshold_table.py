"""The table of thresholds: recall, false alarms and pictures to review of sequences at each threshold.

Decides which thresholds are in the table, besides the one in use.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from numpy.typing import NDArray

from uncia_training.fitting.resampling import Numbers, Truth

THRESHOLDS = (0.02, 0.05, *(round(0.1 * tenth, 1) for tenth in range(1, 10)), 0.95, 0.98)


class ThresholdRow(Struct, frozen=True):
    """The figures of one threshold, means over deals; None if undefined. `in_use` marks the bundle's threshold."""

    threshold: float
    in_use: bool
    recall: float | None
    false_alarms: float
    false_positive_rate: float | None
    false_alarms_per_day: float | None
    pictures_to_look_at: float
    share_to_look_at: float


def threshold_table(
    truth: Truth, scores: Numbers, pictures: NDArray[np.intp], negatives_per_day: float | None, in_use: float
) -> list[dict[str, Any]]:
    """The rows in ascending order of thresholds; empty without sequences.

    Args:
        truth: whether each sequence is positive, (sequences,).
        scores: the scores in each deal, (deals, sequences).
        pictures: the number of pictures of each sequence, (sequences,).
        negatives_per_day: the negative sequences that a trap records a day; None if not known.
        in_use: the bundle's threshold.
    """
    if not len(truth):
        return []
    wanted = sorted({*THRESHOLDS, in_use})
    return [to_builtins(_row(truth, scores, pictures, negatives_per_day, one, one == in_use)) for one in wanted]


def _row(
    truth: Truth, scores: Numbers, pictures: NDArray[np.intp], per_day: float | None, threshold: float, in_use: bool
) -> ThresholdRow:
    called = scores >= threshold
    alarms = float((called & ~truth).sum(axis=1).mean())
    rate = alarms / int((~truth).sum()) if not truth.all() else None
    looked_at = float((called * pictures).sum(axis=1).mean())
    return ThresholdRow(
        threshold=threshold,
        in_use=in_use,
        recall=float(called[:, truth].mean()) if truth.any() else None,
        false_alarms=alarms,
        false_positive_rate=rate,
        false_alarms_per_day=None if rate is None or per_day is None else rate * per_day,
        pictures_to_look_at=looked_at,
        share_to_look_at=looked_at / int(pictures.sum()),
    )


def table_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of the table for a terminal; a star marks the threshold in use."""
    titles = ("threshold", "recall", "false alarms", "a day", "pictures to look at")
    told = [f"{titles[0]:>11}{titles[1]:>8}{titles[2]:>14}{titles[3]:>8}{titles[4]:>21}"] if rows else []
    for one in rows:
        recall, a_day = (_number(one[name]) for name in ("recall", "false_alarms_per_day"))
        looked = f"{one['pictures_to_look_at']:.0f} ({one['share_to_look_at']:.1%})"
        star = "*" if one["in_use"] else " "
        told.append(f"{star}{one['threshold']:>10.3f}{recall:>8}{one['false_alarms']:>14.1f}{a_day:>8}{looked:>21}")
    return told


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
