"""The trap's day: 24 hours, whatever the calendar says, and how many bytes of frames may be sent in one.

Decides when a day is over, by the boot's own clock, because the wall clock of a trap may stand in 1970. A restart
goes on with the day that was; over a reboot the calendar tells how long the trap was off, if it was synchronised
before and after, and otherwise that time counts as none: a budget is then stretched, never exceeded.
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
        numbers: where the day is kept.
        read_clock: the trap's clocks.
        clock: monotonic seconds; the trap's clocks are read at most once a second of it.
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
        """Which day it is."""
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
    """0 where the calendar cannot be trusted."""
    return int(now.now.timestamp() * 1000) if now.synchronised else 0


class Budget:
    """Bytes of frames a day; None for no limit."""

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
        """How many bytes of frames may still be sent today; asked only where there is a limit.

        Frames go while something is left, so a day may end with its last chunk beyond the limit.
        """
        return max(0, (self.bytes_per_day or 0) - self._spent_today() - self._unsaved)

    def spend(self, size: int) -> None:
        """Count bytes that were handed to the broker. They are kept over restarts from the next `save` on."""
        self._unsaved += size

    def save(self) -> None:
        """Note what was spent since the last time."""
        if self._unsaved:
            self._spent, self._spent_day = self._spent_today() + self._unsaved, self._day.number
            self._unsaved = 0
            self._numbers.remember(spent=self._spent, spent_day=self._spent_day)

    def _spent_today(self) -> int:
        return self._spent if self._spent_day == self._day.number else 0
