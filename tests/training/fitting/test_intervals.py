"""Intervals from draws: exact if the draws do not vary, none if there is only one unit."""

import numpy as np
import pytest
from scipy.stats import binomtest

from uncia_training.fitting.intervals import exact, of_difference, of_ranking, of_share


@pytest.mark.parametrize(("hits", "trials"), [(0, 12), (12, 12), (3, 12), (1, 1), (40, 300)])
def test_counts_have_clopper_and_pearsons_interval(hits: int, trials: int) -> None:
    """Equal to SciPy's."""
    expected = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert exact(hits, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_independent_items_has_nearly_the_exact_interval() -> None:
    """Each item is a unit, so all items count."""
    drawn = np.random.default_rng(0).binomial(200, 0.1, 4000) / 200
    low, high = of_share(0.1, drawn, 200, 200)
    assert (low, high) == pytest.approx(exact(20, 200), abs=0.01)


def test_items_of_one_place_count_less() -> None:
    """Draws that vary twice as much equal a quarter of the items; few places widen it (Student's t)."""
    drawn = np.random.default_rng(0).normal(0.1, 2 * np.sqrt(0.1 * 0.9 / 200), 4000)
    low, high = of_share(0.1, drawn, 200, 200)
    assert (low, high) == pytest.approx(exact(5, 50), abs=0.02)
    fewer = of_share(0.1, drawn, 200, 6)
    assert fewer[0] < low and fewer[1] > high


def test_an_interval_stays_within_0_and_1() -> None:
    """Also for a nearly perfect ranking."""
    drawn = np.random.default_rng(0).normal(0.99, 0.01, 1000)
    low, high = of_ranking(0.99, drawn, 12)
    assert 0.8 < low < 0.99 < high < 1.0


@pytest.mark.parametrize(
    "of", [of_ranking, of_difference, lambda value, drawn, units: of_share(value, drawn, 9, units)]
)
def test_one_unit_has_no_interval(of) -> None:
    """Draws from one unit are all the same."""
    assert of(0.4, np.full(100, 0.4), 1) is None
