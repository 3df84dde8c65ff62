"""Work spread over threads whose results come in the order of the items, with few of them in memory.

Decides how many items are held: what is decoded, in work and waiting to be written never grows with the data.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

HELD_A_WORKER = 8  # so that one long burst does not let the other threads run dry


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """The function's results, in the items' order; whoever stops taking them ends the work."""
    waiting = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(function, item) for item in islice(waiting, HELD_A_WORKER * workers))
        try:
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(function, item) for item in islice(waiting, 1))
                yield result
        finally:
            for future in running:
                future.cancel()


def in_parallel(function: Callable[[Any], Any], items: Any, workers: int) -> Iterator[Any]:
    """The function's results in the order in which they are ready; at most twice `workers` items are held."""
    waiting = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(function, item) for item in islice(waiting, 2 * workers)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(function, item) for item in islice(waiting, len(done))}
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()
