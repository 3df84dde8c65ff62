"""Limits how much each trap may send, so that a trap that floods the station does not harm the others.

A message beyond its trap's budget (bytes and messages per minute, bytes per day) is acknowledged at once and dropped,
before it uses memory or the store. An honest trap sends again what is missing, when its budget has grown. A budget
grows evenly and holds at most the amount of one minute or one day.
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
    """What is left of a budget, and when this was computed."""

    amount: float
    at_s: float


class Budgets:
    """The budgets of all traps of one collector."""

    def __init__(self, settings: BudgetSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        megabyte, minute, day = 1e6, 60.0, 86400.0
        limits = (  # (amount, per so many seconds, whether it counts bytes)
            (settings.mb_per_minute * megabyte, minute, True),
            (settings.messages_per_minute, minute, False),
            (settings.mb_per_day * megabyte, day, True),
        )
        self._limits = [limit for limit in limits if limit[0]]
        self._left: dict[str, list[_Left]] = {}
        self._dropped: Counter[str] = Counter()

    def allows(self, trap: str, size: int) -> bool:
        """Whether a message of `size` bytes is within the trap's budgets; if it is, it is taken off them."""
        now_s = self._clock()
        with self._lock:
            left = self._left.setdefault(trap, [_Left(most, now_s) for most, _, _ in self._limits])
            if len(self._left) > MOST_TRAPS:  # without certificates a client can invent names
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
        """How many messages of each trap were dropped since the last call, by trap."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        return dropped
