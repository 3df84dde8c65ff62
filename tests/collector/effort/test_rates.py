"""The exact interval of a Poisson count."""

import pytest

from uncia_collector.effort.rates import poisson_interval


@pytest.mark.parametrize("count", [0, 1, 2, 7, 30, 400, 5000])
def test_the_interval_is_the_exact_one(count):
    """Garwood's interval, computed from the chi-squared distribution."""
    chi2 = pytest.importorskip("scipy.stats").chi2
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert poisson_interval(count) == pytest.approx((low, chi2.ppf(0.975, 2 * count + 2) / 2), rel=1e-6)
