"""Budgets: how much a trap may send; each trap has its own."""

import pytest

from uncia_collector.ingest.budgets import MOST_TRAPS, Budgets
from uncia_collector.settings import BudgetSettings


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("settings", "at_once", "in_two_minutes"),
    [
        (BudgetSettings(mb_per_minute=1, messages_per_minute=0, mb_per_day=0), 10, 30),
        (BudgetSettings(mb_per_minute=0, messages_per_minute=60, mb_per_day=0), 60, 180),
        (BudgetSettings(mb_per_minute=0, messages_per_minute=0, mb_per_day=1.44), 14, 14),
        (BudgetSettings(0, 0, 0), 500, 500 + 1200),
    ],
    ids=["bytes a minute", "messages a minute", "bytes a day", "no limit"],
)
def test_a_budget_is_full_at_first_and_grows_evenly(
    settings: BudgetSettings, at_once: int, in_two_minutes: int
) -> None:
    """First the amount of a minute (or day), then only what the budget grows by; ten messages of 100 kB per second."""
    clock = Clock()
    budgets = Budgets(settings, clock)
    taken = sum(budgets.allows("ridge", 100_000) for _ in range(500))
    assert taken == at_once
    for tick in range(1, 1201):
        clock.now_s = tick / 10
        taken += budgets.allows("ridge", 100_000)
    assert taken == pytest.approx(in_two_minutes, abs=1)


def test_each_trap_has_its_own_budget() -> None:
    """Dropped messages are counted for their trap, once."""
    budgets = Budgets(BudgetSettings(mb_per_minute=0, messages_per_minute=2, mb_per_day=0), Clock())
    assert [budgets.allows("thief", 1) for _ in range(5)] == [True, True, False, False, False]
    assert budgets.allows("ridge", 1)
    assert (budgets.take_dropped(), budgets.take_dropped()) == ({"thief": 3}, {})


def test_many_invented_trap_names_take_bounded_memory() -> None:
    """Without certificates at the broker, a client can send with any name."""
    budgets = Budgets(BudgetSettings(), Clock())
    for number in range(MOST_TRAPS + 10):
        budgets.allows(f"trap{number}", 1)
    assert len(budgets._left) == MOST_TRAPS
