"""The trap's day (24 hours of running time), and the budget of bytes of frames that may be sent in one.

Decides when a day is over by the time since boot, because the wall clock of a trap may be at 1970. A restart of the
program continues the day. After a reboot, the wall clock tells how long the trap was off if it was synchronised before
and after. Otherwise that time does not count: the day gets longer, and the budget is never exceeded.
"""

import hashlib
import time
from collections.abc import Callable

from uncia_edge.clock import Reading
from uncia_edge.outbox.store import Outbox

DAY_S = 24 * 3600


class Day:
    """Counts days, the first one being 0.

    Args:
        numbers: keeps the day over restarts.
        read_clock: reads the trap's clocks.
        clock: monotonic seconds; by it the trap's clocks are read at most once a second.
    """

    def __init__(
        self, numbers: Outbox, read_clock: Callable[[], Reading], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._numbers, self._read_clock, self._clock = numbers, read_clock, clock
        self._number, self._elapsed_ms = numbers.remembered("day_number"), numbers.remembered("day_elapsed_ms")
        self._read_at_s = clock()
        self._advance(read_clock())

    @property
    def number(self) -> int:
        """The number of the current day."""
        if self._clock() - self._read_at_s >= 1.0:
            self._read_at_s = self._clock()
            self._advance(self._read_clock())
        return self._number

    def _advance(self, now: Reading) -> None:
        self._elapsed_ms += self._since_last(now)
        if self._elapsed_ms >= DAY_S * 1000:
            self._number, self._elapsed_ms = self._number + 1, 0
        self._numbers.remember(
            day_number=self._number,
            day_elapsed_ms=self._elapsed_ms,
            day_boot=_boot(now),
            day_boottime_ms=int(now.boottime_s * 1000),
            day_calendar_ms=_calendar_ms(now),
        )

    def _since_last(self, now: Reading) -> int:
        if self._numbers.remembered("day_boot") == _boot(now):
            return max(0, int(now.boottime_s * 1000) - self._numbers.remembered("day_boottime_ms"))
        before, after = self._numbers.remembered("day_calendar_ms"), _calendar_ms(now)
        return max(0, after - before) if before and after else 0


def _boot(now: Reading) -> int:
    return int(hashlib.sha256(now.boot_id.encode()).hexdigest()[:12], 16)


def _calendar_ms(now: Reading) -> int:
    """The wall clock in milliseconds since 1970; 0 if it is not synchronised."""
    return int(now.now.timestamp() * 1000) if now.synchronised else 0


class Budget:
    """How many bytes of frames may be sent a day; None for no limit."""

    def __init__(self, bytes_per_day: int | None, day: Day, numbers: Outbox) -> None:
        self.limit(bytes_per_day)
        self._day, self._numbers = day, numbers
        self._spent, self._spent_day = self._numbers.remembered("spent"), self._numbers.remembered("spent_day")
        self._unsaved = 0

    def limit(self, bytes_per_day: int | None) -> None:
        """Change the limit; what was spent today stays spent."""
        self.bytes_per_day = bytes_per_day
        self.is_limited = bytes_per_day is not None

    def left(self) -> int:
        """How many bytes of frames may still be sent today; 0 if there is no limit (test `is_limited` first).

        A chunk is sent while anything is left, so the last chunk of a day may exceed the limit.
        """
        return max(0, (self.bytes_per_day or 0) - self._spent_today() - self._unsaved)

    def spend(self, size: int) -> None:
        """Count bytes that were handed to the broker; `save` keeps them over restarts."""
        self._unsaved += size

    def save(self) -> None:
        """Store what was spent since the last call."""
        if self._unsaved:
            self._spent, self._spent_day = self._spent_today() + self._unsaved, self._day.number
            self._unsaved = 0
            self._numbers.remember(spent=self._spent, spent_day=self._spent_day)

    def _spent_today(self) -> int:
        return self._spent if self._spent_day == self._day.number else 0
