"""95 % intervals of figures, from their draws of whole units.

Decides how a spread becomes an interval: shares by Korn and Graubard (1998), figures of a ranking on the logit scale,
differences as they are; all with Student's t for as many units as there are. Where no error or nothing but errors
was seen, draws do not vary: the interval is then the exact one (Clopper and Pearson) of as many trials as units.
"""

import numpy as np
from scipy.special import betaincinv, expit, logit
from scipy.stats import t as student

from uncia_training.fitting.resampling import Numbers

Interval = tuple[float, float]
OUTSIDE = 0.025


def exact(hits: float, trials: float) -> Interval:
    """Clopper and Pearson's interval of a share; the counts may be effective ones, no integers."""
    low = 0.0 if hits <= 0 else float(betaincinv(hits, trials - hits + 1, OUTSIDE))
    high = 1.0 if hits >= trials else float(betaincinv(hits + 1, trials - hits, 1 - OUTSIDE))
    return low, high


def of_share(share: float, drawn: Numbers, items: int, units: int) -> Interval | None:
    """Of a share of items that lie in so many units; None where there is one unit, which shows no spread.

    The spread of the draws tells how many independent items would vary as much; the exact interval of that many.
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
    """Of a figure of a ranking; `units` is the smaller number of those with and those without positives.

    A perfect ranking orders as many disjoint pairs of units right: the exact interval of that many trials, and of what
    draws reach (recall of 0 at a rate of false alarms may be due to a single negative).
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
    """Of a difference between two systems, from the differences of draws that both share."""
    spread = float(np.nanstd(drawn, ddof=1))
    if units < 2 or np.isnan(spread):
        return None
    reach = _quantile(units) * spread
    return value - reach, value + reach


def _quantile(count: int) -> float:
    return float(student.ppf(1 - OUTSIDE, max(count - 1, 1)))
