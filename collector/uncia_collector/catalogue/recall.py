"""Estimates the miss rate from the audits: random rejected sequences that people have reviewed.

The miss rate is the share of reviewed audits that show the animal after all. Its interval is exact (Clopper and Pearson
1934), at 95 %.
#1 With fewer than 30 reviewed audits no rate is claimed.
#2 Each version of a bundle has its own rates, because an older model's misses do not describe the present one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from math import exp, lgamma, log, log1p

from sqlalchemy import ColumnElement, Connection, Integer, ScalarSelect, case, cast, func, select

from uncia_collector.catalogue.review import NAMED_ANEW
from uncia_collector.catalogue.schema import deployments, sequences

ENOUGH = 30
CONFIDENCE = 0.95


@dataclass(frozen=True)
class MissRate:
    """The audits of one bundle version at one site ("" for all sites together).

    Attributes:
        bundle: the bundle's name.
        version: its version.
        site: the site.
        waiting: audits that nobody has reviewed yet.
        reviewed: audits that were reviewed.
        missed: reviewed audits that show the animal.
        low: lower bound of the rate's interval, in [0, 1].
        high: upper bound of the rate's interval, in [0, 1].
    """

    bundle: str
    version: int
    site: str
    waiting: int
    reviewed: int
    missed: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The estimate, in [0, 1]; 0 if nothing was reviewed."""
        return self.missed / self.reviewed if self.reviewed else 0.0

    @property
    def is_enough(self) -> bool:
        """Whether enough audits were reviewed to claim a rate (#1)."""
        return self.reviewed >= ENOUGH


def miss_rates(connection: Connection, by_name: bool = False) -> list[MissRate]:
    """The miss rates of each bundle version (#2) at each site that sent audits; after its sites the sum, site "".

    A site is the deployment's location: its id, or `by_name` its name, for people who may know the place. A trap
    without a deployment counts as a site of its own.
    """
    reviewed = case((sequences.c.review == "open", 0), else_=1)
    missed = case(
        (sequences.c.review == "confirmed", 1),
        ((sequences.c.review == "relabelled") & (sequences.c.review_label == sequences.c.label), 1),
        (NAMED_ANEW, 1),
        else_=0,
    )
    known = func.coalesce(func.nullif(deployments.c.location_name, ""), deployments.c.location_id)
    site = func.coalesce(
        _location(known if by_name else deployments.c.location_id), sequences.c.trap + " (no place known)"
    ).label("site")
    by = (sequences.c.bundle, sequences.c.bundle_version, site)
    counted = (func.count(), cast(func.sum(reviewed), Integer), cast(func.sum(missed), Integer))
    query = select(*by, *counted).where(sequences.c.audit.is_(True)).group_by(*by)
    rows = connection.execute(query.order_by(by[0], by[1].desc(), site)).all()
    rates = []
    for bundle, sites in groupby(rows, lambda row: (str(row[0]), int(row[1]))):
        counts = [(str(row[2]), int(row[3]), int(row[4]), int(row[5])) for row in sites]
        audits, seen, hits = (sum(column) for column in zip(*(count[1:] for count in counts), strict=True))
        rates += [_rate(bundle, *count) for count in [*counts, ("", audits, seen, hits)]]
    return rates


def _rate(bundle: tuple[str, int], site: str, audits: int, reviewed: int, missed: int) -> MissRate:
    return MissRate(*bundle, site, audits - reviewed, reviewed, missed, *interval(missed, reviewed))


def _location(told: ColumnElement[str]) -> ScalarSelect[str]:
    """The location of the trap (of a hub: its camera) when the sequence began; the later one if two overlap."""
    own = sequences.c.trap + "/" + sequences.c.camera
    return (
        select(told)
        .where(deployments.c.trap.in_((sequences.c.trap, own)), deployments.c.started_at <= sequences.c.started_at)
        .where(deployments.c.ended_at.is_(None) | (sequences.c.started_at <= deployments.c.ended_at))
        .order_by(func.length(deployments.c.trap).desc(), deployments.c.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )


def interval(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a proportion of `hits` in `n`; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else solve(lambda p: 1.0 - _at_most(hits - 1, n, p), tail)
    high = 1.0 if hits == n else solve(lambda p: -_at_most(hits, n, p), -tail)
    return low, high


def solve(rising: Callable[[float], float], value: float, high: float = 1.0) -> float:
    """The argument between 0 and `high` at which an increasing function reaches a value, by bisection."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2.0


def _at_most(hits: int, n: int, p: float) -> float:
    """The binomial probability of at most `hits` in `n` trials with probability `p` each.

    Sums the shorter tail from its largest term until a term adds nothing: some dozens of thousands of terms.
    """
    if p <= 0.0 or p >= 1.0:
        return 1.0 if p <= 0.0 else 0.0
    odds = p / (1.0 - p)
    if hits < n * p:
        return tail_sum(_term(hits, n, p), ((n - k + 1, k) for k in range(hits, 0, -1)), 1.0 / odds)
    above = ((k + 1, n - k) for k in range(hits + 1, n))
    return 1.0 - tail_sum(_term(hits + 1, n, p), above, odds)


def _term(k: int, n: int, p: float) -> float:
    if k > n:
        return 0.0
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p))


def tail_sum(term: float, ratios: Iterable[tuple[int, int]], odds: float) -> float:
    """The sum of a term and its followers; each is the one before times `odds` * b / a, for (a, b) in `ratios`."""
    total = term
    for a, b in ratios:
        term *= odds * b / a
        total += term
        if term <= total * 1e-17:  # also if the first term is too small for a float
            break
    return min(1.0, total)
