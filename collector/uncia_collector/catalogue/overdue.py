"""When a trap is overdue: silent for longer than is usual for it.

Decides overdue: #1 silent for more than twice the 90th percentile of its own last silences, and more than an hour;
#2 with fewer than five known silences, for more than 26 hours; #3 planned sleeps, which a trap announces, are silences
of their own: a trap that sleeps by day is not overdue by day, and one that sleeps too long is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FIRST_LIMIT_S = 26 * 3600.0
LEAST_LIMIT_S = 3600.0
ENOUGH_GAPS = 5


def limit_s(gaps_s: Sequence[float]) -> float:
    """The longest silence that is still usual for a trap with these past ones."""
    if len(gaps_s) < ENOUGH_GAPS:  # #2
        return FIRST_LIMIT_S
    ordered = sorted(gaps_s)
    return max(LEAST_LIMIT_S, 2.0 * ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])  # #1


@dataclass(frozen=True)
class Silence:
    """How long a trap has been silent, and how long is usual for it."""

    silent_s: float
    limit_s: float

    @property
    def is_overdue(self) -> bool:
        """Whether that is longer than usual."""
        return self.silent_s > self.limit_s


def silence(row: Any, now: datetime) -> Silence:
    """The silence of a trap, from its row of the catalogue."""
    known = row.sleeps_s if row.availability == "sleeping" else row.gaps_s  # #3
    gaps_s = [float(part) for part in known.split(",") if part]
    return Silence(max(0.0, (now - row.last_seen_at).total_seconds()), limit_s(gaps_s))
