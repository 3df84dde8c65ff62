"""A thread pool whose caller runs queued tasks while it waits.

So there are never more busy threads than workers, and a single worker needs no thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class HelpingPool:
    """So many workers, the calling thread among them: only one thread may ask for results. A context manager."""

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers - 1) if workers > 1 else None
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def __enter__(self) -> "HelpingPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads; tasks that nobody has begun are not done."""
        self._queue.clear()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """The work as a task that the next free worker takes; tasks are begun in the order of submission."""
        future: Future[Result] = Future()
        self._queue.append((future, work))
        if self._executor is not None:
            self._executor.submit(self._run_next)
        return future

    def result(self, future: Future[Result]) -> Result:
        """The task's result, or its exception; until it is there, this thread runs queued tasks."""
        while not future.done() and self._run_next():
            pass
        return future.result()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results, in the items' order."""
        futures = [self.submit(partial(function, item)) for item in items]
        return (self.result(future) for future in futures)

    def _run_next(self) -> bool:
        """Runs the first task of the queue; False where there is none."""
        try:
            future, work = self._queue.popleft()
        except IndexError:
            return False
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):  # Ctrl-C ends the thread that runs the task
                raise
        return True
