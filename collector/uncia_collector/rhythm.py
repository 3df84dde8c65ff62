"""Each trap's own rhythm: how long its silences are, and when one is too long.

Decides overdue: #1 silent for more than twice the 90th percentile of its own last silences, and more than an hour;
#2 with fewer than five known silences, for more than 26 hours.
"""

from collections.abc import Sequence

FIRST_LIMIT_S = 26 * 3600.0
LEAST_LIMIT_S = 3600.0
ENOUGH_GAPS = 5


def gaps_in(text: str) -> list[float]:
    """The silences that the catalogue keeps as text, in seconds."""
    return [float(part) for part in text.split(",") if part]


def limit_s(gaps_s: Sequence[float]) -> float:
    """The longest silence that is still usual for a trap with these past ones."""
    if len(gaps_s) < ENOUGH_GAPS:  # #2
        return FIRST_LIMIT_S
    ordered = sorted(gaps_s)
    return max(LEAST_LIMIT_S, 2.0 * ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])  # #1


def is_overdue(gaps_s: Sequence[float], silent_s: float) -> bool:
    """Whether a trap has been silent for longer than its rhythm allows."""
    return silent_s > limit_s(gaps_s)
