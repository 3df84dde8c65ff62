"""When a trap is overdue: silent for longer than is usual for it.

Decides overdue: #1 silent for more than twice the 90th percentile of its own last silences, and more than an hour;
#2 with fewer than five known silences, for more than 26 hours; #3 planned sleeps, which a trap announces, are silences
of their own: a trap that sleeps by day is not overdue by day, and one that sleeps too long is; #4 a trap that is
powered for single passes and tells when the next one is, once it has missed that one and the one after;
#5 a hub's camera after seven days without a burst, for days without an animal are usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uncia_contract.messages.records import TrapState, decode

FIRST_LIMIT_S = 26 * 3600.0
LEAST_LIMIT_S = 3600.0
ENOUGH_GAPS = 5
CAMERA_LIMIT_S = 7 * 24 * 3600.0


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
    usual_s = _two_passes_s(row) if row.availability == "sleeping" else None
    silent_s = max(0.0, (now - row.last_seen_at).total_seconds())
    return Silence(silent_s, limit_s(gaps_s) if usual_s is None else max(LEAST_LIMIT_S, usual_s))


def camera_silences(row: Any, state: TrapState, now: datetime) -> dict[str, Silence]:
    """#5: of each camera of a hub, since its last burst: by the trap's clock until it was heard, from then by ours."""
    heard_s = max(0.0, (now - row.last_seen_at).total_seconds())
    return {
        one.camera: Silence(heard_s + max(0.0, (state.sent_at - one.seen_at).total_seconds()), CAMERA_LIMIT_S)
        for one in state.cameras
    }


def _two_passes_s(row: Any) -> float | None:
    """#4, by the trap's own clock, whatever it says."""
    state = None if row.state is None else decode(row.state, TrapState)
    if state is None or state.next_pass_at is None:
        return None
    return 2.0 * (state.next_pass_at - state.sent_at).total_seconds()
