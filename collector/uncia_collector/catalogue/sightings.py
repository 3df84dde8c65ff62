"""Counts of sightings by hour, week, place and label.

A sighting is an event, not a sequence (`catalogue.events.grouping`). It counts at the place and time of its beginning.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, func, select, true

from uncia_collector.catalogue.events.finding import called
from uncia_collector.catalogue.events.starts import micros, starts
from uncia_collector.catalogue.schema import deployments, events

_TICK = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _TICK


@dataclass(frozen=True)
class Sightings:
    """Counts of sightings: by hour of the station's day (24 numbers), by (trap, Monday of the week), by trap."""

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
        """The number of sightings in these weeks (Mondays)."""
        return sum(count for (_, week), count in self.by_week.items() if week in weeks)


def count_sightings(
    connection: Connection,
    since: datetime,
    zone: tzinfo,
    trap: str = "",
    until: datetime | None = None,
    label: str = "",
) -> Sightings:
    """Count the sightings from `since` to `until`, of one trap or of all, of one label or of all."""
    until = until or datetime.now(UTC) + timedelta(days=2)
    found = starts(connection, since, until, label, trap)
    by_hour, by_week, by_trap = np.zeros(24, int), Counter[tuple[str, date]](), Counter[str]()
    for start, end, offset in _offsets(since, until, zone):
        for part in found.values():
            there = part[np.searchsorted(part, micros(start)) : np.searchsorted(part, micros(end))]
            by_hour += np.bincount((there + offset // _TICK) // _HOUR % 24, minlength=24)
    weeks = [*_weeks(since, until, zone)]
    edges = [micros(start) for _, start, _ in weeks] + [micros(until)]
    for (name, _), part in found.items():
        by_trap[name] += len(part)
        for (monday, _, _), count in zip(weeks, np.diff(np.searchsorted(part, edges)).tolist(), strict=True):
            if count:
                by_week[name, monday] += count
    return Sightings(by_hour.tolist(), by_week, +by_trap)


def count_by_label(connection: Connection) -> Counter[str]:
    """The number of all sightings in the catalogue, by label."""
    counted: Counter[str] = Counter()
    found = starts(connection, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    for (_, label), part in found.items():
        counted[label] += len(part)
    return counted


def _between(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return events.c.started_at >= start, events.c.started_at < end


def _weeks(since: datetime, until: datetime, zone: tzinfo) -> Iterator[tuple[date, datetime, datetime]]:
    """(Monday, start, end) of the station's weeks between; the first and the last are cut at `since` and `until`."""
    day = since.astimezone(zone).date()
    monday, start = day - timedelta(days=day.weekday()), since
    while start < until:
        following = monday + timedelta(weeks=1)
        end = min(until, datetime.combine(following, time(), zone).astimezone(UTC))
        yield monday, start, end
        monday, start = following, end


def _offsets(since: datetime, until: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """(start, end, offset) of the time between, cut where the zone's offset from UTC changes (to the minute)."""
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
    """The deployments of the station (or of a survey) that had not ended before `since`; the newest of a trap last."""
    there = deployments.c.ended_at.is_(None) | (deployments.c.ended_at >= since)
    query = select(deployments).where(deployments.c.origin == origin, there)
    return [*connection.execute(query.order_by(deployments.c.trap, deployments.c.started_at))]


def count_by_place(connection: Connection, found: Sequence[Any], since: datetime, label: str = "") -> dict[str, int]:
    """The number of sightings of each deployment, by its id; a moved trap's count at the place where it stood."""
    counts = {}
    for place in found:
        until = place.ended_at or datetime.now(UTC) + timedelta(days=2)
        there = *_of_place(place, found), *_between(max(since, place.started_at), until)
        counts[place.id] = connection.execute(select(func.count()).where(called(label), *there)).scalar_one()
    return counts


def _of_place(place: Any, found: Sequence[Any]) -> tuple[ColumnElement[bool], ...]:
    """The conditions for events of a deployment: of a trap or `trap/camera`; a hub's without cameras placed apart."""
    trap, _, camera = place.trap.partition("/")
    if camera:
        return events.c.trap == trap, events.c.camera == camera
    elsewhere = [other.trap.partition("/")[2] for other in found if other.trap.startswith(f"{trap}/")]
    return events.c.trap == trap, events.c.camera.not_in(elsewhere) if elsewhere else true()
