"""Runs regular tasks in a thread: feed the watchdog, publish the state, make room on the card, and others.

A task that fails is logged and never ends the trap.
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
    """A function to call every `every_s` seconds."""

    name: str
    every_s: float
    do: Callable[[], object]


class Housekeeping:
    """Calls chores in a thread until `stop`."""

    def __init__(self, chores: list[Chore], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_s = [(chore, clock() + chore.every_s) for chore in chores]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uncia-housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; wait for at most 10 s."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def step(self) -> None:
        """Call the chores that are due; log their errors."""
        now_s = self._clock()
        for index, (chore, due_s) in enumerate(self._due_s):
            if now_s >= due_s:
                self._due_s[index] = (chore, now_s + chore.every_s)
                try:
                    chore.do()
                except (UnciaError, OSError) as error:
                    _log.error("%s: %s", chore.name, error)
                except Exception:  # noqa: BLE001 -- the other chores must go on
                    _log.exception("%s", chore.name)

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            self.step()
