"""Planned sleep: hours in which the trap neither looks nor sends, to spare its battery.

Decides when. By the wall clock, so a trap whose clock cannot be right (before its own bundle was made) never sleeps:
it must not miss the nights because it takes them for days.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from uncia_edge.settings import SleepSettings

GRACE_S = 600.0  # after a start it stays awake so long: somebody may stand before it


def asleep_until(now: datetime, rule: SleepSettings, not_before: datetime) -> datetime | None:
    """When the sleep ends in which `now` (aware) lies; None while awake, or where the clock cannot be right."""
    if not (rule.start and rule.end) or rule.start == rule.end or now < not_before:
        return None
    local = now + timedelta(hours=rule.utc_offset_h)
    minutes, start, end = local.hour * 60 + local.minute, _minutes(rule.start), _minutes(rule.end)
    if (minutes - start) % 1440 >= (end - start) % 1440:
        return None
    whole_minute = now.replace(second=0, microsecond=0)
    return whole_minute + timedelta(minutes=(end - minutes) % 1440)


def nap(
    seconds: float,
    wake: Callable[[float], bool],
    feed: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait, feeding the watchdog. `wake` waits at most the seconds it is given, and says whether to stop at once."""
    until_s = clock() + seconds
    while (left_s := until_s - clock()) > 0:
        feed()
        if wake(min(left_s, 5.0)):
            return


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
