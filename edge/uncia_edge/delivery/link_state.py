"""The states of the link, and when to connect again.

Pure: no IO, no thread, and no clock but the `now_s` it is handed.

    offline --its wait is over--> connecting --connected--> connected
       ^                              |                         |
       +------- disconnected ---------+------ disconnected -----+
    connected: an answer of a broker in trouble pauses sequences for a growing while.
"""

import random

from uncia_edge.delivery.send_window import Pace


class BackOff:
    """Growing, jittered waits between attempts: full jitter over `first_s`, doubled up to `most_s`.

    Jitter keeps a valley of traps from knocking at the same second when the base station's power returns.
    """

    def __init__(self, first_s: float = 1.0, most_s: float = 120.0, chance: random.Random | None = None) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._chance = chance or random.Random()
        self._failures = 0

    def wait_s(self) -> float:
        """How long to wait before the next attempt; counts a failure."""
        ceiling: float = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return ceiling / 2 + self._chance.random() * ceiling / 2

    def reset(self) -> None:
        """It worked."""
        self._failures = 0


class LinkState:
    """Whether there is a link, when to connect next, and when to leave the broker alone. Fields are for reading."""

    def __init__(self, pace: Pace, now_s: float) -> None:
        self.is_connected = False
        self.connect_at_s: float | None = now_s  # None while connecting or connected
        self.paused_until_s = 0.0
        self._offline_since_s = now_s
        self._reconnect = BackOff(pace.retry_first_s, pace.retry_most_s)
        self._trouble = BackOff(pace.retry_first_s, pace.retry_most_s)

    def begin_to_connect(self, now_s: float) -> bool:
        """Whether to connect now; the attempt has begun then."""
        if self.is_connected or self.connect_at_s is None or now_s < self.connect_at_s:
            return False
        self.connect_at_s = None
        return True

    def connected(self, now_s: float) -> float:
        """How long there was no link, in seconds."""
        self.is_connected, self.paused_until_s = True, 0.0
        return now_s - self._offline_since_s

    def disconnected(self, now_s: float) -> float:
        """How long to wait for the next attempt, in seconds."""
        if self.is_connected:
            self._offline_since_s = now_s
        self.is_connected = False
        wait_s = self._reconnect.wait_s()
        self.connect_at_s = now_s + wait_s
        return wait_s

    def troubled(self, now_s: float) -> float | None:
        """The pause that begins now, in seconds; None during one: however many messages were answered so, it is one."""
        if now_s < self.paused_until_s:
            return None
        wait_s = self._trouble.wait_s()
        self.paused_until_s = now_s + wait_s
        return wait_s

    def working(self) -> None:
        """The broker took a message: the next waits are short again."""
        self._reconnect.reset()
        self._trouble.reset()
