"""What a trap does beside observing and sending: feed the watchdog, tell how it fares, make room on the card.

Decides only how often. Runs in a thread of its own; none of it may end the trap.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from uncia_contract.errors import UnciaError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chore:
    """Something to do every `every_s` seconds."""

    name: str
    every_s: float
    do: Callable[[], object]


class Housekeeping:
    """Does chores until `stop`."""

    def __init__(self, chores: list[Chore], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_s = [(chore, clock() + chore.every_s) for chore in chores]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uncia-housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def step(self) -> None:
        """Do what is due."""
        now_s = self._clock()
        for index, (chore, due_s) in enumerate(self._due_s):
            if now_s >= due_s:
                self._due_s[index] = (chore, now_s + chore.every_s)
                try:
                    chore.do()
                except (UnciaError, OSError) as error:
                    _log.error("%s: %s", chore.name, error)
                except Exception:  # noqa: BLE001 -- nobody would notice a trap that only stopped telling how it fares
                    _log.exception("%s", chore.name)

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self.step()
