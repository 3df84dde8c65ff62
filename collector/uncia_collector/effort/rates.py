"""Each trap's nights and its sightings in 100 of those in which it worked.

Decides the interval: exact for a Poisson count (Garwood 1936), at 95 %. Only sightings of nights that count as worked
are in the rate; the others are told beside it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from math import exp, lgamma, log

from sqlalchemy import Connection, select

from uncia_collector.catalogue.events.finding import called
from uncia_collector.catalogue.filters import night_of, noon
from uncia_collector.catalogue.schema import events
from uncia_collector.effort.nights import DAY, KINDS, Site, nights_of, sites

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TrapEffort:
    """One trap's nights by kind, its sightings in worked nights and in others; all of them under the name ""."""

    trap: str
    nights: Counter[str]
    sightings: int
    outside: int

    @property
    def rate(self) -> float | None:
        """Sightings in 100 worked nights; None without any."""
        return 100.0 * self.sightings / self.nights["worked"] if self.nights["worked"] else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the rate."""
        if not (worked := self.nights["worked"]):
            return None
        low, high = poisson_interval(self.sightings)
        return 100.0 * low / worked, 100.0 * high / worked


@dataclass(frozen=True)
class FieldEffort:
    """Nights of sites, and the nights in which sightings of one label, or of all, began."""

    nights: dict[tuple[Site, date], str]
    seen: dict[tuple[str, date], int]

    def by_trap(self) -> list[TrapEffort]:
        """Each trap's, and their sum."""
        kinds: dict[str, dict[date, str]] = {}
        for (site, night), kind in self.nights.items():
            kinds.setdefault(site.trap, {})[night] = kind
        for trap, _ in self.seen:
            kinds.setdefault(trap, {})
        found = [self._of(trap, nights) for trap, nights in sorted(kinds.items())]
        total = sum((effort.nights for effort in found), Counter[str]())
        return [*found, TrapEffort("", total, sum(e.sightings for e in found), sum(e.outside for e in found))]

    def _of(self, trap: str, nights: dict[date, str]) -> TrapEffort:
        seen = {night: count for (name, night), count in self.seen.items() if name == trap}
        worked = sum(count for night, count in seen.items() if nights.get(night) == "worked")
        kinds = Counter(dict.fromkeys(KINDS, 0)) + Counter(nights.values())
        return TrapEffort(trap, kinds, worked, sum(seen.values()) - worked)


def effort(
    connection: Connection, first: date, last: date, now: datetime, zone: tzinfo, label: str = "", trap: str = ""
) -> FieldEffort:
    """What is known of the nights from `first` to `last`."""
    nights = nights_of(connection, sites(connection, trap), first, last, now, zone)
    there = events.c.started_at >= noon(first, zone), events.c.started_at < noon(last + DAY, zone)
    query = select(events.c.trap, events.c.started_at).where(called(label), *there)
    seen: Counter[tuple[str, date]] = Counter()
    for name, started_at in connection.execute(query.where(events.c.trap == trap) if trap else query):
        seen[name, night_of(started_at, zone)] += 1
    return FieldEffort(nights, dict(seen))


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of the mean of a Poisson count."""
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if count == 0 else _solve(lambda mean: 1.0 - _at_most(count - 1, mean), tail, count)
    return low, _solve(lambda mean: -_at_most(count, mean), -tail, count)


def _solve(rising: Callable[[float], float], value: float, count: int) -> float:
    """The mean at which an increasing function reaches a value, by bisection."""
    low, high = 0.0, 10.0 + 2.0 * count
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2.0


def _at_most(count: int, mean: float) -> float:
    """The probability of at most `count` where `mean` > 0 are expected."""
    return min(1.0, sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count + 1)))
