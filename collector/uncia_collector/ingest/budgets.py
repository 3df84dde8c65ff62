"""How much each trap may send, so that one that floods the station takes nothing from the others.

Decides what is not taken in: messages beyond the trap's own budget of a minute (bytes, messages) or of a day (bytes)
are acknowledged at once and dropped, before they cost memory or the store. A trap that is honest asks again for what
is missing, and gets it in when its budget has grown; it grows evenly, and holds at most one minute's or day's worth.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from uncia_collector.settings import BudgetSettings

MOST_TRAPS = 10_000


@dataclass
class _Left:
    """What is left of a budget, and since when."""

    amount: float
    at_s: float


class Budgets:
    """The budgets of all traps of one collector."""

    def __init__(self, settings: BudgetSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        megabyte, minute, day = 1e6, 60.0, 86400.0
        limits = (  # (as much, in so many seconds, whether bytes are counted)
            (settings.mb_per_minute * megabyte, minute, True),
            (settings.messages_per_minute, minute, False),
            (settings.mb_per_day * megabyte, day, True),
        )
        self._limits = [limit for limit in limits if limit[0]]
        self._left: dict[str, list[_Left]] = {}
        self._dropped: Counter[str] = Counter()

    def allows(self, trap: str, size: int) -> bool:
        """Whether a message of so many bytes is within the trap's budgets; if so, they shrink by it."""
        now_s = self._clock()
        with self._lock:
            left = self._left.setdefault(trap, [_Left(most, now_s) for most, _, _ in self._limits])
            if len(self._left) > MOST_TRAPS:  # names are free where a broker asks for no certificate
                del self._left[next(iter(self._left))]
            for part, (most, per_s, _) in zip(left, self._limits, strict=True):
                part.amount = min(most, part.amount + (now_s - part.at_s) * most / per_s)
                part.at_s = now_s
            costs = [size if counts_bytes else 1 for _, _, counts_bytes in self._limits]
            if any(part.amount < cost for part, cost in zip(left, costs, strict=True)):
                self._dropped[trap] += 1
                return False
            for part, cost in zip(left, costs, strict=True):
                part.amount -= cost
            return True

    def take_dropped(self) -> dict[str, int]:
        """How many messages of each trap were over its budget since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        return dropped
