"""A trap's day and its budget of bytes, over restarts, reboots and clocks that jump."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from uncia_edge.clock import Reading
from uncia_edge.outbox.day import Budget, Day
from uncia_edge.outbox.store import Outbox

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class MemoryNumbers:
    """Remembers numbers as the outbox does, but not over restarts."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {}

    def remembered(self, name: str) -> int:
        return self._values.get(name, 0)

    def remember(self, **numbers: int) -> None:
        self._values.update(numbers)


class Clocks:
    """The trap's clocks, set by the test."""

    def __init__(self) -> None:
        self.boottime_s, self.boot, self.now, self.synchronised = 100.0, "boot-1", NOON, False

    def __call__(self) -> Reading:
        return Reading(self.now, self.boottime_s, self.boot, self.synchronised)

    def day(self, numbers: Outbox | MemoryNumbers) -> Day:
        """A day that reads these clocks each time its number is asked."""
        ticks = iter(range(10_000))
        return Day(numbers, self, lambda: float(next(ticks)))

    def pass_h(self, hours: float) -> None:
        self.boottime_s += hours * 3600
        self.now += timedelta(hours=hours)

    def reboot(self, off_h: float) -> None:
        self.boot, self.boottime_s = "boot-2", 5.0
        self.now += timedelta(hours=off_h)


def test_a_day_has_24_hours_whatever_the_calendar_says() -> None:
    """The wall clock jumps from 1970 to 2026 and back: it is still the same day."""
    clocks, numbers = Clocks(), MemoryNumbers()
    day = clocks.day(numbers)
    for year in (1970, 2026, 1970):
        clocks.now = NOON.replace(year=year)
        assert day.number == 0
    clocks.pass_h(24.1)
    assert day.number == 1


def test_what_was_spent_today_survives_a_restart_of_the_process(tmp_path: Path) -> None:
    """A trap that is restarted every hour must not send a day's bytes every hour."""
    clocks, outbox = Clocks(), Outbox(tmp_path)
    budget = Budget(1000, clocks.day(outbox), outbox)
    budget.spend(1000)
    budget.save()
    outbox.close()
    again = Outbox(tmp_path)
    assert Budget(1000, clocks.day(again), again).left() == 0
    clocks.pass_h(25)
    assert Budget(1000, clocks.day(again), again).left() == 1000


def test_a_reboot_without_a_clock_goes_on_with_the_day() -> None:
    """20 h on, off for an unknown time, 3 h on: still the same day; 2 h later it is the next."""
    clocks, numbers = Clocks(), MemoryNumbers()
    first = clocks.day(numbers)
    assert first.number == 0
    clocks.pass_h(20)
    assert first.number == 0
    clocks.reboot(off_h=100)
    second = clocks.day(numbers)
    clocks.pass_h(3)
    assert second.number == 0
    clocks.pass_h(2)
    assert second.number == 1


def test_with_a_synchronised_clock_the_time_off_counts() -> None:
    """The trap was off for a night, and the clock was synchronised before and after."""
    clocks, numbers = Clocks(), MemoryNumbers()
    clocks.synchronised = True
    assert clocks.day(numbers).number == 0
    clocks.reboot(off_h=25)
    assert clocks.day(numbers).number == 1


def test_without_a_synchronised_clock_the_time_off_does_not_count() -> None:
    """After the same night without a time server there is no new budget."""
    clocks, numbers = Clocks(), MemoryNumbers()
    assert clocks.day(numbers).number == 0
    clocks.reboot(off_h=25)
    assert clocks.day(numbers).number == 0
