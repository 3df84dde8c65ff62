"""A parallel `map` with results in the order of the items, and objects of which each thread has its own.

Only a fixed number of items is in memory, so memory does not grow with the data.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_WORKER = 8  # enough that the other threads have work while one handles a long burst


def parallel_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """The function's results in the order of the items, computed by several threads.

    At most `ITEMS_PER_WORKER` items for each worker are in memory. If the caller stops or is interrupted, running items
    are finished and waiting ones are cancelled.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(function, item) for item in islice(waiting, ITEMS_PER_WORKER * workers))
        try:
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(function, item) for item in islice(waiting, 1))
                yield result
        finally:
            for future in running:
                future.cancel()


class PerThread(Generic[Result]):
    """An object for each thread, such as an interpreter; it is made at the thread's first call."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make, self._local = make, threading.local()

    def __call__(self) -> Result:
        """This thread's object."""
        if not hasattr(self._local, "made"):
            self._local.made = self._make()
        made: Result = self._local.made
        return made
