"""Notifies systemd (sd_notify(3)): ready, stopping, and a watchdog that depends on progress and not on a timer.

The service is alive if each of its parts has given a heartbeat within its own deadline.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping


def notify(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send a state such as `READY=1` to systemd; return False without systemd, or if it could not be sent."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
            wire.sendto(message.encode(), address)
    except OSError:
        return False
    return True


class Watchdog:
    """The heartbeats of several parts, each with its own deadline in seconds; the first ones start now."""

    def __init__(self, deadlines_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._deadlines_s = clock, dict(deadlines_s)
        self._beats_s = dict.fromkeys(deadlines_s, clock())

    def beat(self, part: str) -> None:
        """Note that a part made progress. Safe to call from any thread."""
        self._beats_s[part] = self._clock()

    def forget(self, part: str) -> None:
        """Expect no more heartbeats of a part, because its work is done."""
        self._deadlines_s.pop(part, None)

    def overdue(self) -> list[str]:
        """The parts whose last heartbeat is older than their deadline."""
        now_s = self._clock()
        return [part for part, limit_s in list(self._deadlines_s.items()) if now_s - self._beats_s[part] > limit_s]

    def feed(self) -> bool:
        """Feed systemd's watchdog if no part is overdue; return whether it was fed."""
        if overdue := self.overdue():
            notify(f"STATUS=no progress of {', '.join(overdue)}")
            return False
        return notify("WATCHDOG=1")
