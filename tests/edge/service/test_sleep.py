"""Planned sleep: when it begins and ends, and that the watchdog is fed meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from uncia_edge.clock import Reading
from uncia_edge.service.sleep import asleep_until, nap
from uncia_edge.settings import SleepSettings

MADE = datetime(2026, 1, 1, tzinfo=UTC)
DAY, NIGHT = SleepSettings("09:00", "16:30"), SleepSettings("22:00", "04:00")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, 1, hour, minute, 40, tzinfo=UTC)


def reading(now: datetime, synchronised: bool = True, earlier: bool = False) -> Reading:
    return Reading(now, 100.0, "boot", synchronised, earlier)


@pytest.mark.parametrize(
    ("rule", "now", "end"),
    [
        (DAY, at(8, 59), None),
        (DAY, at(9, 0), at(16, 30)),
        (DAY, at(16, 29), at(16, 30)),
        (DAY, at(16, 30), None),
        (NIGHT, at(23), at(4) + timedelta(days=1)),
        (NIGHT, at(3, 59), at(4)),
        (NIGHT, at(4), None),
        (SleepSettings("09:00", "16:30", utc_offset_h=5.5), at(3, 30), at(11)),
        (SleepSettings(), at(12), None),
        (SleepSettings("09:00", "09:00"), at(9), None),
    ],
)
def test_sleep_begins_and_ends_when_it_is_planned(rule: SleepSettings, now: datetime, end: datetime | None) -> None:
    """Also over midnight, and in the trap's own zone."""
    assert asleep_until(reading(now), rule, MADE) == (end.replace(second=0) if end else None)


def test_a_trap_in_1970_never_sleeps() -> None:
    """A time before its bundle was made must be wrong."""
    assert asleep_until(reading(at(12).replace(year=1970)), DAY, MADE) is None


@pytest.mark.parametrize(
    ("synchronised", "earlier", "sleeps"),
    [(True, False, True), (False, True, True), (False, False, False)],
    ids=["synchronised", "earlier in this boot", "never"],
)
def test_a_trap_sleeps_only_by_a_trusted_clock(synchronised: bool, earlier: bool, sleeps: bool) -> None:
    """A plausible time may be wrong, too; a trap that stays awake misses nothing."""
    assert (asleep_until(reading(at(12), synchronised, earlier), DAY, MADE) is not None) == sleeps


def test_the_watchdog_is_fed_while_asleep() -> None:
    """In an hour of sleep it is fed every five seconds."""
    now_s, fed = [0.0], []

    def wait(seconds: float) -> bool:
        now_s[0] += seconds
        return False

    nap(lambda: now_s[0] < 3600, wait, lambda: fed.append(now_s[0]))
    assert (now_s[0], len(fed)) == (3600.0, 720)


def test_a_corrected_clock_ends_the_sleep() -> None:
    """The wrong clock says noon; after a minute a time server sets it to 23:00, and the trap wakes at once."""
    now, waited = [at(12)], []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        now[0] = now[0] + timedelta(seconds=seconds) if len(waited) < 12 else at(23)
        return False

    nap(lambda: asleep_until(reading(now[0]), DAY, MADE) is not None, wait, lambda: None)
    assert sum(waited) == 60


def test_a_service_that_is_stopped_wakes_at_once() -> None:
    """After SIGTERM."""
    waited: list[float] = []
    nap(lambda: True, lambda seconds: bool(waited.append(seconds) or True), lambda: None)
    assert waited == [5.0]
