"""Each trap's nights by kind and its sightings per 100 worked nights; the cameras of a hub count as traps.

The interval of the rate is exact for a Poisson count (Garwood 1936), at 95 %. Only sightings in worked nights are in
the rate; the others are counted apart (`outside`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import count as naturals
from math import exp, lgamma, log

import numpy as np
from sqlalchemy import Connection

from uncia_collector.catalogue.events.starts import micros, starts
from uncia_collector.catalogue.filters import noon
from uncia_collector.catalogue.recall import solve, tail_sum
from uncia_collector.effort.nights import DAY, Site, nights_of, sites

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TrapEffort:
    """One trap's nights by kind, its sightings in worked nights and outside them; `trap` is "" for the sum of all."""

    trap: str
    nights: Counter[str]
    sightings: int
    outside: int

    @property
    def rate(self) -> float | None:
        """Sightings per 100 worked nights; None without a worked night."""
        return 100.0 * self.sightings / self.nights["worked"] if self.nights["worked"] else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval (low, high) of the rate; None without a worked night."""
        if not (worked := self.nights["worked"]):
            return None
        low, high = poisson_interval(self.sightings)
        return 100.0 * low / worked, 100.0 * high / worked


@dataclass(frozen=True)
class FieldEffort:
    """The nights of all sites, and how many sightings (of one label, or of all) began in each night of each trap."""

    nights: dict[Site, dict[date, str]]
    seen: Mapping[str, Mapping[date, int]]  # by trap, of a hub by `trap/camera`

    def by_trap(self) -> list[TrapEffort]:
        """The effort of each trap, by name, and then the sum of all."""
        kinds: dict[str, dict[date, str]] = {trap: {} for trap in self.seen}
        for site, nights in self.nights.items():
            kinds.setdefault(site.trap, {}).update(nights)
        found = [self._of(trap, nights) for trap, nights in sorted(kinds.items())]
        total = sum((effort.nights for effort in found), Counter[str]())
        return [*found, TrapEffort("", total, sum(e.sightings for e in found), sum(e.outside for e in found))]

    def _of(self, trap: str, nights: dict[date, str]) -> TrapEffort:
        seen = self.seen.get(trap, {})
        worked = sum(count for night, count in seen.items() if nights.get(night) == "worked")
        return TrapEffort(trap, Counter(nights.values()), worked, sum(seen.values()) - worked)


def effort(
    connection: Connection, first: date, last: date, now: datetime, zone: tzinfo, label: str = ""
) -> FieldEffort:
    """Nights and sightings from `first` to `last`; with `label` only sightings of that label."""
    nights = nights_of(connection, sites(connection), first, last, now, zone)
    noons = [micros(noon(first + n * DAY, zone)) for n in range((last - first).days + 2)]
    seen: dict[str, Counter[date]] = {}
    for (name, _), part in starts(connection, noon(first, zone), noon(last + DAY, zone), label).items():
        counts = np.diff(np.searchsorted(part, noons))
        for n in np.flatnonzero(counts).tolist():
            seen.setdefault(name, Counter())[first + n * DAY] += int(counts[n])
    return FieldEffort(nights, seen)


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval (low, high) of the mean of a Poisson distribution from one count."""
    tail, high = (1.0 - confidence) / 2.0, 10.0 + 2.0 * count
    low = 0.0 if count == 0 else solve(lambda mean: 1.0 - _at_most(count - 1, mean), tail, high)
    return low, solve(lambda mean: -_at_most(count, mean), -tail, high)


def _at_most(count: int, mean: float) -> float:
    """The probability of at most `count` for a Poisson mean > 0; only the terms of the shorter tail are summed."""
    if count < mean:
        return tail_sum(_term(count, mean), ((1, k) for k in range(count, 0, -1)), 1.0 / mean)
    return 1.0 - tail_sum(_term(count + 1, mean), ((k, 1) for k in naturals(count + 2)), mean)


def _term(k: int, mean: float) -> float:
    return exp(k * log(mean) - mean - lgamma(k + 1))
