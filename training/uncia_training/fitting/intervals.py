"""95 % intervals of figures, from bootstrap draws of whole units.

Decides how the spread of draws becomes an interval: for shares by Korn and Graubard (1998), for figures of a ranking on
the logit scale, for differences directly; all with Student's t for the number of units. If there are no errors or only
errors, the draws do not vary; then the interval is the exact one (Clopper and Pearson) with units as trials.
"""

import numpy as np
from scipy.special import betaincinv, expit, logit
from scipy.stats import t as student

from uncia_training.fitting.resampling import Numbers

Interval = tuple[float, float]
OUTSIDE = 0.025


def exact(hits: float, trials: float) -> Interval:
    """Clopper and Pearson's interval of a share; the counts need not be integers (effective counts)."""
    low = 0.0 if hits <= 0 else float(betaincinv(hits, trials - hits + 1, OUTSIDE))
    high = 1.0 if hits >= trials else float(betaincinv(hits + 1, trials - hits, 1 - OUTSIDE))
    return low, high


def of_share(share: float, drawn: Numbers, items: int, units: int) -> Interval | None:
    """The interval of a share; None for a single unit, which shows no spread.

    The spread of the draws gives the effective number of independent items; the interval is the exact one for it.

    Args:
        share: the share.
        drawn: its values in the draws.
        items: the number of items.
        units: the number of units.
    """
    if share in (0.0, 1.0):
        return exact(share * units, units)
    if units < 2:
        return None
    spread = float(np.nanvar(drawn, ddof=1))
    effective = share * (1 - share) / spread if spread > 0 else float(items)
    effective *= (_quantile(items) / _quantile(units)) ** 2
    effective = min(effective, float(items))
    return exact(share * effective, effective)


def of_ranking(value: float, drawn: Numbers, units: int) -> Interval | None:
    """The interval of a figure of a ranking; None if there are too few units.

    `units` is the smaller of the numbers of units with and without positives. For a value of 0 or 1 it is the exact
    interval with units as trials, extended to the range of the draws (a recall of 0 may be due to a single negative).
    """
    if value in (0.0, 1.0):
        low, high = exact(value * units, units)
        reached = np.nanpercentile(drawn, [100 * OUTSIDE, 100 * (1 - OUTSIDE)]).tolist()
        return min(low, *reached), max(high, *reached)
    spread = float(np.nanstd(drawn, ddof=1))
    if units < 2 or np.isnan(spread):
        return None
    reach = _quantile(units) * spread / (value * (1 - value))
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def of_difference(value: float, drawn: Numbers, units: int) -> Interval | None:
    """The interval of a difference between two systems, from their differences in the same draws."""
    spread = float(np.nanstd(drawn, ddof=1))
    if units < 2 or np.isnan(spread):
        return None
    reach = _quantile(units) * spread
    return value - reach, value + reach


def _quantile(count: int) -> float:
    return float(student.ppf(1 - OUTSIDE, max(count - 1, 1)))
