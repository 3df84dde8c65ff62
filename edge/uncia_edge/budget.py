"""How many bytes of frames may be sent in a day.

Decides when frames wait; records always go, and what a person asked for goes past the budget. A day is 24 hours of the
monotonic clock, because the wall clock of a trap may stand in 1970.
"""

from collections.abc import Callable

_DAY_S = 24 * 3600.0


class Budget:
    """Bytes of frames a day; None for no limit."""

    def __init__(self, bytes_per_day: int | None, clock: Callable[[], float]) -> None:
        self.bytes_per_day = bytes_per_day
        self._clock = clock
        self._since_s, self.spent = clock(), 0

    @property
    def left(self) -> bool:
        """Whether another piece of a frame may go today."""
        if self._clock() - self._since_s >= _DAY_S:
            self._since_s, self.spent = self._clock(), 0
        return self.bytes_per_day is None or self.spent < self.bytes_per_day

    def spend(self, size: int) -> None:
        """Note bytes that the broker took."""
        self.spent += size
