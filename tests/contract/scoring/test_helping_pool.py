"""`HelpingPool`: each task is done once, and the thread that waits for a result runs tasks meanwhile."""

import threading
from contextlib import closing
from functools import partial

import pytest

from uncia_contract.scoring.burst_decoder import HelpingPool


@pytest.mark.parametrize("workers", [1, 2, 4], ids=str)
def test_each_item_is_done_once_and_results_keep_their_order(workers: int) -> None:
    """With any number of workers."""
    done: list[int] = []
    with closing(HelpingPool(workers)) as pool:
        results = list(pool.map(lambda item: done.append(item) or -item, range(200)))
    assert (sorted(done), results) == (list(range(200)), [-item for item in range(200)])


def test_a_single_worker_needs_no_thread() -> None:
    """The calling thread runs all tasks."""
    with closing(HelpingPool(1)) as pool:
        names = {pool.result(pool.submit(lambda: threading.current_thread().name)) for _ in range(3)}
    assert names == {threading.current_thread().name}


def test_a_thread_that_waits_runs_the_next_task() -> None:
    """The other thread's task waits for the next task, which only the calling thread can run."""
    begun, next_done = threading.Event(), threading.Event()

    def long_one() -> str:
        begun.set()
        return "long" if next_done.wait(20) else "timeout"

    with closing(HelpingPool(2)) as pool:
        first = pool.submit(long_one)
        begun.wait(20)
        pool.submit(next_done.set)
        assert pool.result(first) == "long"


@pytest.mark.parametrize("workers", [1, 2], ids=str)
def test_a_failure_is_raised_where_that_result_is_asked_for(workers: int) -> None:
    """The other tasks have their results."""
    with closing(HelpingPool(workers)) as pool:
        tasks = [pool.submit(partial(divmod, 7, divisor)) for divisor in (2, 0, 3)]
        assert [pool.result(tasks[0]), pool.result(tasks[2])] == [(3, 1), (2, 1)]
        with pytest.raises(ZeroDivisionError):
            pool.result(tasks[1])


def test_an_interruption_is_raised_at_once() -> None:
    """Ctrl-C ends the thread that runs the task."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with closing(HelpingPool(1)) as pool, pytest.raises(KeyboardInterrupt):
        pool.result(pool.submit(interrupted))


def test_tasks_are_not_kept_when_they_are_done() -> None:
    """Otherwise a burst's pictures would stay in memory."""
    with closing(HelpingPool(1)) as pool:
        for _ in range(50):
            pool.result(pool.submit(list))
        assert len(pool._queue) == 0
