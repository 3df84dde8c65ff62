"""Hands for work that is all wanted: threads that begin it early, and the thread that asks for it, which never idles.

Decides who does what. Tasks are taken in the order in which they were begun; until the task that is asked for is done,
the asking thread takes what comes next. So there are never more hands than cores, and a single hand needs no thread.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Name = TypeVar("Name", bound=Hashable)
Result = TypeVar("Result")


class Task(Generic[Result]):
    """A piece of work, done once, by whoever comes first."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work, self._begun = work, Lock()
        self.future: Future[Result] = Future()

    @property
    def is_begun(self) -> bool:
        """Whether some hand has taken it."""
        return self._begun.locked()

    @property
    def is_done(self) -> bool:
        """Whether there is a result, or a failure."""
        return self.future.done()

    def do(self) -> bool:
        """Does it where nobody has begun it; whether that was so. A failure is for the one who asks for the result."""
        if not self._begun.acquire(blocking=False):
            return False
        try:
            self.future.set_result(self._work())
        except BaseException as error:
            self.future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        return True

    def result(self) -> Result:
        """Waits for it; raises what it raised."""
        return self.future.result()


class Crew:
    """So many hands, the thread that asks among them: only one thread may. A context manager: it ends its threads."""

    def __init__(self, hands: int) -> None:
        self.hands = hands
        self._pool = ThreadPoolExecutor(hands - 1) if hands > 1 else None
        self._waiting: deque[Task[Any]] = deque()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads; what nobody has begun is not done."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def begin(self, work: Callable[[], Result]) -> Task[Result]:
        """The work as a task that the next free hand takes."""
        task = Task(work)
        self._forget_begun()
        self._waiting.append(task)
        if self._pool is not None:
            self._pool.submit(task.do)
        return task

    def result(self, task: Task[Result]) -> Result:
        """The task's result; until it is there, this thread does what waits."""
        self.any_done({None: task})
        return task.result()

    def any_done(self, tasks: Mapping[Name, Task[Any]]) -> Name:
        """The name of a task that is done, the first of several; until one is, this thread does what waits."""
        while True:
            for name, task in tasks.items():
                if task.is_done:
                    return name
            if not self._do_next():
                wait([task.future for task in tasks.values()], return_when=FIRST_COMPLETED)

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results, in the items' order."""
        tasks = [self.begin(partial(function, item)) for item in items]
        return (self.result(task) for task in tasks)

    def _do_next(self) -> bool:
        while self._waiting:
            if self._waiting.popleft().do():
                return True
        return False

    def _forget_begun(self) -> None:
        while self._waiting and self._waiting[0].is_begun:
            self._waiting.popleft()
