"""How many bytes of frames may be sent in a day.

Decides when frames wait; records always go, and what a person asked for goes past the budget. What is spent is kept
over restarts; what a day is, is `day`.
"""

from uncia_edge.outbox.day import Always, Book, Days, Loose


class Budget:
    """Bytes of frames a day; None for no limit."""

    def __init__(self, bytes_per_day: int | None = None, day: Days | None = None, book: Book | None = None) -> None:
        self.bytes_per_day = bytes_per_day
        self._day, self._book = day or Always(), book or Loose()

    @property
    def spent(self) -> int:
        """Bytes sent today."""
        return self._book.remembered("spent") if self._book.remembered("spent_day") == self._day.number else 0

    @property
    def left(self) -> bool:
        """Whether another piece of a frame may go today."""
        return self.bytes_per_day is None or self.spent < self.bytes_per_day

    def spend(self, size: int) -> None:
        """Note bytes that were handed to the broker."""
        self._book.remember(spent=self.spent + size, spent_day=self._day.number)
