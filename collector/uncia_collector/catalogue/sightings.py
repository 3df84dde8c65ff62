"""Counts of sightings by hour, week, place and label, made by the database.

What a sighting is says `catalogue.events.grouping`: an event, never a sequence. It counts where and when it began.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, func, select, true

from uncia_collector.catalogue.schema import deployments, events, traps
from uncia_contract.messages.records import TrapState, decode


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

    def count_of(self, weeks: Sequence[date]) -> int:
        """All sightings of these weeks."""
        return sum(count for (_, week), count in self.by_week.items() if week in weeks)


def count_sightings(
    connection: Connection,
    since: datetime,
    zone: tzinfo,
    trap: str = "",
    until: datetime | None = None,
    label: str = "",
) -> Sightings:
    """The sightings since a moment, of one trap or of all, of one label or of all."""
    until = until or datetime.now(UTC) + timedelta(days=2)
    counts = _sighting(label) & (events.c.trap == trap if trap else true())
    by_hour, by_week, by_trap = [0] * 24, Counter[tuple[str, date]](), Counter[str]()
    minute, count = _minute(connection), func.count()
    for start, end, offset in _offsets(since, until, zone):
        query = select(minute, count).where(counts, *_between(start, end)).group_by(minute)
        for text, total in connection.execute(query):
            by_hour[(int(text[:2]) * 60 + int(text[3:]) + offset // timedelta(minutes=1)) % 1440 // 60] += total
    for monday, start, end in _weeks(since, until, zone):
        query = select(events.c.trap, count).where(counts, *_between(start, end)).group_by(events.c.trap)
        for name, total in connection.execute(query):
            by_week[name, monday] += total
            by_trap[name] += total
    return Sightings(by_hour, by_week, by_trap)


def count_by_label(connection: Connection) -> dict[tuple[str, str], int]:
    """All sightings since the beginning, by (trap, label)."""
    query = (
        select(events.c.trap, events.c.label, func.count()).where(_sighting()).group_by(events.c.trap, events.c.label)
    )
    return {(trap, label): count for trap, label, count in connection.execute(query)}


def _sighting(label: str = "") -> ColumnElement[bool]:
    return events.c.sighting.is_(True) & (events.c.label == label if label else true())


def _between(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return events.c.started_at >= start, events.c.started_at < end


def _minute(connection: Connection) -> ColumnElement[str]:
    """The minute of the day in UTC as `HH:MM`, the cheapest way that the database has."""
    if connection.dialect.name == "postgresql":
        return func.to_char(events.c.started_at, "HH24:MI", type_=String)
    return func.substr(events.c.started_at, 12, 5, type_=String)


def _weeks(since: datetime, until: datetime, zone: tzinfo) -> Iterator[tuple[date, datetime, datetime]]:
    """(Monday, start, end) of the local weeks between, the first and the last cut off."""
    day = since.astimezone(zone).date()
    monday, start = day - timedelta(days=day.weekday()), since
    while start < until:
        following = monday + timedelta(weeks=1)
        end = min(until, datetime.combine(following, time(), zone).astimezone(UTC))
        yield monday, start, end
        monday, start = following, end


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


def places(connection: Connection, since: datetime, origin: str = "") -> list[Any]:
    """The deployments of the station, or of a survey, that had not ended before; newest of each trap last."""
    there = deployments.c.ended_at.is_(None) | (deployments.c.ended_at >= since)
    query = select(deployments).where(deployments.c.origin == origin, there)
    return [*connection.execute(query.order_by(deployments.c.trap, deployments.c.started_at))]


@dataclass(frozen=True)
class ReportedPlace:
    """Where a trap without a deployment says that it stands, whenever the sighting was."""

    trap: str
    latitude: float
    longitude: float
    location_name: str = "told by the trap"
    ended_at: datetime | None = None

    @property
    def id(self) -> str:
        """Its own among the deployments'."""
        return f"{self.trap} itself"

    @property
    def started_at(self) -> datetime:
        """Before everything."""
        return datetime.min.replace(tzinfo=UTC)


def reported_places(connection: Connection, placed: Sequence[Any]) -> list[ReportedPlace]:
    """The places of traps that have coordinates in their state, and no deployment among `placed`."""
    known = {place.trap for place in placed}
    query = select(traps.c.state).where(traps.c.state.is_not(None), traps.c.trap.not_in(known)).order_by(traps.c.trap)
    states = [decode(payload, TrapState) for payload in connection.execute(query).scalars()]
    return [
        ReportedPlace(state.trap, state.latitude, state.longitude)
        for state in states
        if state.latitude is not None and state.longitude is not None
    ]


def count_by_place(connection: Connection, found: Sequence[Any], since: datetime, label: str = "") -> dict[str, int]:
    """The sightings of each deployment, by its id: of a trap that was moved, those of its time at each place."""
    counts = {}
    for place in found:
        until = place.ended_at or datetime.now(UTC) + timedelta(days=2)
        there = events.c.trap == place.trap, *_between(max(since, place.started_at), until)
        counts[place.id] = connection.execute(select(func.count()).where(_sighting(label), *there)).scalar_one()
    return counts
