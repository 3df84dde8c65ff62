"""Honest recall: exact intervals, and no claim from a small sample; a trap's rhythm."""

from datetime import UTC, datetime

import pytest

from uncia_collector.recall import interval, miss_rates
from uncia_collector.review import review
from uncia_collector.rhythm import FIRST_LIMIT_S, is_overdue, limit_s

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 30), (1, 30), (7, 31), (30, 30), (5, 4000), (1999, 4000)])
def test_interval_is_that_of_clopper_and_pearson(hits, n):
    """Scipy's exact binomial interval, which the collector does without."""
    stats = pytest.importorskip("scipy.stats")
    exact = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")

    assert interval(hits, n) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_nothing_reviewed_says_nothing():
    """Without a sample everything is possible."""
    assert interval(0, 0) == (0.0, 1.0)


def test_missed_animals_are_counted_per_trap(stored, make_sequence):
    """An audit that a person confirms is a miss; one nobody looked at counts as waiting."""
    for number in range(4):
        stored.take(make_sequence(id=f"a{number}", score=0.1, positive=False, audit=True).record_wire())
    review(stored.database, ("ridge", "a0"), "confirmed", "anara", NOW)
    review(stored.database, ("ridge", "a1"), "rejected", "anara", NOW)

    with stored.database.reading() as connection:
        ridge, everywhere = miss_rates(connection)
    assert (ridge.trap, ridge.reviewed, ridge.missed, ridge.waiting) == ("ridge", 2, 1, 2)
    assert not everywhere.is_enough and everywhere.trap == ""


def test_rhythm_is_learned_from_the_traps_own_silences():
    """#1: a trap heard hourly is overdue after hours, one heard weekly after weeks."""
    assert is_overdue([3600.0] * 9, 8000) and not is_overdue([604_800.0] * 9, 700_000)


def test_new_trap_has_a_day_and_two_hours():
    """#2: with few silences known nothing is learned yet."""
    assert limit_s([60.0] * 4) == FIRST_LIMIT_S
