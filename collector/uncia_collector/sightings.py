"""When and where the animal was seen: counts for the page's plots.

Decides what counts as a sighting: a positive sequence that nobody rejected or renamed, or a rejected one of an audit
that somebody confirmed.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from uncia_collector.schema import deployments, sequences

MOST = 200_000


@dataclass(frozen=True)
class Sightings:
    """Counts since a day: by hour of the station's day, by (trap, Monday of the week), by trap."""

    by_hour: list[int]
    by_week: dict[tuple[str, date], int]
    by_trap: Counter[str]

    @property
    def weeks(self) -> list[date]:
        """All weeks from the first sighting to the last, without gaps."""
        seen = sorted({week for _, week in self.by_week})
        if not seen:
            return []
        return [seen[0] + timedelta(weeks=n) for n in range((seen[-1] - seen[0]).days // 7 + 1)]


def is_sighting() -> ColumnElement[bool]:
    """As SQL."""
    unopposed = and_(sequences.c.positive.is_(True), sequences.c.review.in_(("open", "confirmed")))
    return or_(unopposed, sequences.c.review == "confirmed")


def count_sightings(connection: Connection, since: datetime, zone: tzinfo, trap: str = "") -> Sightings:
    """The sightings since a moment, of one trap or of all."""
    query = select(sequences.c.trap, sequences.c.started_at).where(sequences.c.started_at >= since, is_sighting())
    if trap:
        query = query.where(sequences.c.trap == trap)
    by_hour, by_week, by_trap = [0] * 24, Counter[tuple[str, date]](), Counter[str]()
    for name, started_at in connection.execute(query.limit(MOST)):
        local = started_at.astimezone(zone)
        by_hour[local.hour] += 1
        by_week[name, local.date() - timedelta(days=local.weekday())] += 1
        by_trap[name] += 1
    return Sightings(by_hour, by_week, by_trap)


def places(connection: Connection) -> list[Any]:
    """The deployments, newest of each trap last."""
    return [*connection.execute(select(deployments).order_by(deployments.c.trap, deployments.c.started_at))]
