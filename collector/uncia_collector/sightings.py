"""When and where the animal was seen: counts for the page's plots, made by the database however many there are.

Decides what counts as a sighting: a positive sequence that nobody rejected or renamed, or a rejected one of an audit
that somebody confirmed: what stands as `open` or `confirmed`, which an index answers.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, cast, func, select, text
from sqlalchemy.types import Integer

from uncia_collector.schema import deployments, sequences

SIGHTING = ("open", "confirmed")


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


def count_sightings(
    connection: Connection, since: datetime, zone: tzinfo, trap: str = "", until: datetime | None = None
) -> Sightings:
    """The sightings since a moment, of one trap or of all."""
    by_hour, by_week, by_trap = [0] * 24, Counter[tuple[str, date]](), Counter[str]()
    for start, end, offset in _offsets(since, until or datetime.now(UTC) + timedelta(days=2), zone):
        where = [sequences.c.standing.in_(SIGHTING), sequences.c.started_at >= start, sequences.c.started_at < end]
        where += [sequences.c.trap == trap] if trap else []
        hour, week = _local(connection, offset)
        count = func.count()
        for number, total in connection.execute(select(hour, count).where(*where).group_by(hour)):
            by_hour[number] += total
        for name, monday, total in connection.execute(
            select(sequences.c.trap, week, count).where(*where).group_by(sequences.c.trap, week)
        ):
            by_week[name, date.fromisoformat(monday)] += total
            by_trap[name] += total
    return Sightings(by_hour, by_week, by_trap)


def _local(connection: Connection, offset: timedelta) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """Hour of the day and Monday of the week (ISO 8601) of `started_at` on a clock that far ahead of UTC, as SQL."""
    seconds = int(offset.total_seconds())
    if connection.dialect.name == "postgresql":
        local = sequences.c.started_at + text(f"interval '{seconds} seconds'")
        monday = func.to_char(func.date_trunc("week", local), "YYYY-MM-DD")
        return cast(func.extract("hour", local), Integer), monday
    at, shift = sequences.c.started_at, f"{seconds} seconds"
    return cast(func.strftime("%H", at, shift), Integer), func.date(at, shift, "-6 days", "weekday 1")


def _offsets(since: datetime, until: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The time between, cut where the zone's offset from UTC changes (to the minute)."""
    start, at = since, since
    while at < until:
        following = min(at + timedelta(days=1), until)
        if _offset(following, zone) != _offset(at, zone):
            low, high = at, following
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(middle, zone) == _offset(at, zone) else (low, middle)
            change = high.replace(second=0, microsecond=0)
            yield start, change, _offset(at, zone)
            start = following = change
        at = following
    yield start, until, _offset(start, zone)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def places(connection: Connection) -> list[Any]:
    """The deployments, newest of each trap last."""
    return [*connection.execute(select(deployments).order_by(deployments.c.trap, deployments.c.started_at))]
