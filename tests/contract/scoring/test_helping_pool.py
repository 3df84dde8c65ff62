"""Work is done once, by whoever comes first, and the thread that asks does not wait while there is something to do."""

import threading
from functools import partial

import pytest

from uncia_contract.scoring.helping_pool import Crew


@pytest.mark.parametrize("hands", [1, 2, 4], ids=str)
def test_each_item_is_done_once_and_results_keep_their_order(hands: int) -> None:
    """Whoever does which."""
    done: list[int] = []
    with Crew(hands) as crew:
        results = list(crew.each(lambda item: done.append(item) or -item, range(200)))
    assert (sorted(done), results) == (list(range(200)), [-item for item in range(200)])


def test_a_single_hand_needs_no_thread() -> None:
    """All is done by the one who asks."""
    with Crew(1) as crew:
        names = {crew.result(crew.begin(lambda: threading.current_thread().name)) for _ in range(3)}
    assert names == {threading.current_thread().name}


def test_whoever_waits_for_another_hand_does_what_comes_next() -> None:
    """The other hand's task ends only when the next one is done, which nobody but the asking thread can do."""
    begun, next_done = threading.Event(), threading.Event()

    def long_one() -> str:
        begun.set()
        return "long" if next_done.wait(20) else "nobody helped"

    with Crew(2) as crew:
        first = crew.begin(long_one)
        begun.wait(20)
        crew.begin(next_done.set)
        assert crew.result(first) == "long"


def test_what_is_done_is_told_while_another_hand_is_still_at_the_first() -> None:
    """The asking thread has something to go on with; the first task ends only after it was told of the second."""
    told = threading.Event()
    with Crew(2) as crew:
        tasks = {"long": crew.begin(lambda: told.wait(20))}
        while not tasks["long"].is_begun:
            pass
        tasks["short"] = crew.begin(lambda: True)
        first = crew.any_done(tasks)
        told.set()
        assert (first, crew.any_done({"long": tasks["long"]}), crew.result(tasks["long"])) == ("short", "long", True)


@pytest.mark.parametrize("hands", [1, 2], ids=str)
def test_a_failure_is_for_whoever_asks_for_that_task(hands: int) -> None:
    """Its neighbours have their results."""
    with Crew(hands) as crew:
        tasks = [crew.begin(partial(divmod, 7, divisor)) for divisor in (2, 0, 3)]
        assert [crew.result(tasks[0]), crew.result(tasks[2])] == [(3, 1), (2, 1)]
        with pytest.raises(ZeroDivisionError):
            crew.result(tasks[1])


def test_an_interruption_is_not_kept_for_later() -> None:
    """It ends the one who helps, whatever was asked for."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with Crew(1) as crew, pytest.raises(KeyboardInterrupt):
        crew.result(crew.begin(interrupted))


def test_tasks_are_not_held_when_they_are_done() -> None:
    """A burst's pictures would stay in memory."""
    with Crew(1) as crew:
        for _ in range(50):
            crew.result(crew.begin(list))
        assert len(crew._waiting) <= 1
