"""What of a trap needs attention, the most urgent first.

Decides: #1 overdue; #2 what the trap itself calls degraded, two machines under one id, and a hub's silent camera; #3 a
battery that is low: under 11.5 V of 12 V, 5.8 V of 6 V, 3.3 V of one lithium cell, told apart by the voltage; #4 a card
with less than 200 MB free; #5 an outbox whose oldest sequence has waited longer than the trap is usually silent; #6 a
clock that is not synchronised. A trap that is online may need any of these.
"""

from collections.abc import Mapping

from uncia_collector.catalogue.overdue import Silence
from uncia_contract.messages.records import TrapState

LEAST_FREE_BYTES = 200_000_000
LOW_V = ((8.0, 11.5), (5.0, 5.8), (0.0, 3.3))  # (over this voltage, low under that)

Need = tuple[str, str]  # of `NEEDS`, and what the trap says itself
NEEDS = ("overdue", "degraded", "doubled", "camera", "battery", "disk", "outbox", "clock")


def needs(
    silence: Silence, state: TrapState | None, doubled: bool, cameras: Mapping[str, Silence] | None = None
) -> list[Need]:
    """What needs attention at one trap; empty where all is well."""
    found: list[Need] = [("overdue", "")] * silence.is_overdue
    if state is not None:
        found += [("degraded", reason) for reason in state.degraded]
    found += [("doubled", "")] * doubled
    found += [("camera", name) for name, of_it in (cameras or {}).items() if of_it.is_overdue]
    if state is None:
        return found
    found += [("battery", f"{state.battery_v:.1f} V")] if is_low(state.battery_v) and state.battery_v else []
    found += [("disk", "")] * (state.disk_free_bytes < LEAST_FREE_BYTES)
    found += [("outbox", str(state.outbox_sequences))] * (state.outbox_age_s > silence.limit_s)
    return found + [("clock", "")] * (not state.clock_synchronised)


def is_low(battery_v: float | None) -> bool:
    """#3; a voltage that is not known, or 0, is not low."""
    return bool(battery_v) and any(over < (battery_v or 0.0) < low for over, low in LOW_V)
