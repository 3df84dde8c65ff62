"""Lists what needs attention at a trap, the most urgent first.

#1 The trap is overdue.
#2 The trap reports a problem (`degraded`), two machines use its id, or a camera of a hub is silent.
#3 The battery is low: under 11.5 V for 12 V, 5.8 V for 6 V, 3.3 V for one lithium cell; the voltage shows the kind.
#4 The card has less than 200 MB free.
#5 The oldest sequence of the outbox has waited longer than the trap's longest usual silence.
#6 The clock is not synchronised.
All but #1 can also occur at a trap that is online.
"""

from collections.abc import Mapping

from uncia_collector.catalogue.overdue import Silence
from uncia_contract.messages.records import TrapState

LEAST_FREE_BYTES = 200_000_000
LOW_V = ((8.0, 11.5), (5.0, 5.8), (0.0, 3.3))  # (over this voltage, low under that)

Need = tuple[str, str]  # one of `NEEDS`, and the trap's own words or a value
NEEDS = ("overdue", "degraded", "doubled", "camera", "battery", "disk", "outbox", "clock")


def needs(
    silence: Silence, state: TrapState | None, doubled: bool, cameras: Mapping[str, Silence] | None = None
) -> list[Need]:
    """The needs of one trap, the most urgent first; empty if there are none."""
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
    """Whether a battery's voltage is low (#3); an unknown voltage, or 0, is not."""
    return bool(battery_v) and any(over < (battery_v or 0.0) < low for over, low in LOW_V)
