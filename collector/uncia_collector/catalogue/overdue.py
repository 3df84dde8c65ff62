"""Decides when a trap is overdue: it is silent for longer than is usual for it.

#1 Usual is up to twice the 90th percentile of its own last silences, and at least an hour.
#2 With fewer than five known silences, 26 hours are usual.
#3 Announced sleeps are counted apart from other silences: a trap that sleeps by day is not overdue by day, and a trap
that sleeps longer than before is.
#4 A trap that is powered for single passes and announces the next one is overdue when it has missed two passes.
#5 A camera of a hub is overdue after seven days without a burst, because days without an animal are usual.
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
    """The longest usual silence in seconds (#1, #2), from the trap's past silences in seconds."""
    if len(gaps_s) < ENOUGH_GAPS:  # #2
        return FIRST_LIMIT_S
    ordered = sorted(gaps_s)
    return max(LEAST_LIMIT_S, 2.0 * ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))])  # #1


@dataclass(frozen=True)
class Silence:
    """How long a trap has been silent, and the longest usual silence, both in seconds."""

    silent_s: float
    limit_s: float

    @property
    def is_overdue(self) -> bool:
        """Whether it is silent for longer than usual."""
        return self.silent_s > self.limit_s


def silence(row: Any, now: datetime) -> Silence:
    """The silence of a trap at `now`, from its row of `traps`."""
    known = row.sleeps_s if row.availability == "sleeping" else row.gaps_s  # #3
    gaps_s = [float(part) for part in known.split(",") if part]
    usual_s = _two_passes_s(row) if row.availability == "sleeping" else None
    silent_s = max(0.0, (now - row.last_seen_at).total_seconds())
    return Silence(silent_s, limit_s(gaps_s) if usual_s is None else max(LEAST_LIMIT_S, usual_s))


def camera_silences(row: Any, state: TrapState, now: datetime) -> dict[str, Silence]:
    """The silence of each camera of a hub since its last burst (#5), by camera.

    The time from the burst to the hub's state is measured by the hub's clock, the time since then by the station's.
    """
    heard_s = max(0.0, (now - row.last_seen_at).total_seconds())
    return {
        one.camera: Silence(heard_s + max(0.0, (state.sent_at - one.seen_at).total_seconds()), CAMERA_LIMIT_S)
        for one in state.cameras
    }


def _two_passes_s(row: Any) -> float | None:
    """Twice the time to the announced next pass in seconds (#4), by the trap's clock; None without an announcement."""
    state = None if row.state is None else decode(row.state, TrapState)
    if state is None or state.next_pass_at is None:
        return None
    return 2.0 * (state.next_pass_at - state.sent_at).total_seconds()
