"""Planned sleep: hours in which the trap neither observes nor sends, to save its battery.

Decides when to sleep, by the wall clock. A trap whose clock is not trusted, or is earlier than its own bundle, never
sleeps: with a wrong clock it could sleep at night instead of by day. A sleeping trap reads its clock every few
seconds, so that a corrected clock ends the sleep.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from uncia_edge.clock import Reading
from uncia_edge.settings import SleepSettings

LOOK_S = 5.0  # how often a sleeping trap reads its clock
GRACE_S = 600.0  # how long it stays awake after a start, because a person may be working on it


def asleep_until(clock: Reading, rule: SleepSettings, not_before: datetime) -> datetime | None:
    """The end of the planned sleep that is now; None if there is none now, or if the clock cannot be trusted.

    Args:
        clock: a reading of the trap's clocks.
        rule: the configured sleep.
        not_before: when the bundle was made; an earlier time is wrong.
    """
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
    """Wait while `is_asleep`, calling `feed` for the watchdog.

    `wake` waits for the given seconds and returns whether to stop at once.
    """
    while is_asleep():
        feed()
        if wake(LOOK_S):
            return


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
