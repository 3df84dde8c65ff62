"""Planned sleep: hours in which the trap neither looks nor sends, to spare its battery.

Decides when. By the wall clock, so a trap whose clock is not trusted, or cannot be right (before its own bundle was
made), never sleeps: it must not miss the nights because it takes them for days. A clock that is put right during
a sleep is looked at again within seconds.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from uncia_edge.clock import Reading
from uncia_edge.settings import SleepSettings

LOOK_S = 5.0  # how often a sleeping trap looks at its clock
GRACE_S = 600.0  # after a start it stays awake so long: somebody may stand before it


def asleep_until(clock: Reading, rule: SleepSettings, not_before: datetime) -> datetime | None:
    """When the sleep ends in which the clock is now; None while awake, or where the clock cannot be relied on."""
    now = clock.now
    if not (rule.start and rule.end) or rule.start == rule.end or now < not_before or not clock.trusted:
        return None
    local = now + timedelta(hours=rule.utc_offset_h)
    minutes, start, end = local.hour * 60 + local.minute, _minutes(rule.start), _minutes(rule.end)
    if (minutes - start) % 1440 >= (end - start) % 1440:
        return None
    whole_minute = now.replace(second=0, microsecond=0)
    return whole_minute + timedelta(minutes=(end - minutes) % 1440)


def nap(is_asleep: Callable[[], bool], wake: Callable[[float], bool], feed: Callable[[], object]) -> None:
    """Wait while `is_asleep`, feeding the watchdog. `wake` waits for some seconds, and says whether to stop at once."""
    while is_asleep():
        feed()
        if wake(LOOK_S):
            return


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
