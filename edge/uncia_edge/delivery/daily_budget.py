"""How many bytes of frames may be sent in a day.

Decides when frames wait; records always go, and what a person asked for goes past the budget. What is spent is kept
over restarts; what a day is, is `outbox.day`.
"""

from uncia_edge.outbox.day import Days, EndlessDay, MemoryNumbers, Numbers


class Budget:
    """Bytes of frames a day; None for no limit."""

    def __init__(
        self, bytes_per_day: int | None = None, day: Days | None = None, numbers: Numbers | None = None
    ) -> None:
        self.limit(bytes_per_day)
        self._day, self._numbers = day or EndlessDay(), numbers or MemoryNumbers()
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
