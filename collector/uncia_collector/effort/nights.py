"""What became of each night of each trap: worked, asleep, silent or unknown.

Decides: #1 nights last from noon to noon at the station, and count where a deployment of the trap holds their whole
(where the trap has none: since it was first heard), once they are over. #2 A night that began before the history did
is `unknown`. #3 Hours of announced sleep are left aside; a night of nothing else is `asleep`. #4 Else it is `unknown`
where nobody knows of more than half of the hours, `worked` where the trap looked in at least half of those that are
known, and `silent` where it did not: it was not heard, or said that it had no camera.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import ColumnElement, Connection, String, func, select

from uncia_collector.catalogue.filters import night_of, noon
from uncia_collector.catalogue.schema import deployments, health, traps
from uncia_collector.effort.hours import STATION, history_began

KINDS = ("worked", "asleep", "silent", "unknown")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Site:
    """Where and when a trap is to be counted; `id` is the deployment's location, else the trap."""

    id: str
    trap: str
    started_at: datetime
    ended_at: datetime | None

    def nights(self, first: date, last: date, zone: tzinfo) -> list[date]:
        """Those that lie whole in its time (#1), of the nights from `first` to `last`."""
        start = max(first, night_of(self.started_at - timedelta(microseconds=1), zone) + DAY)
        end = last if self.ended_at is None else min(last, night_of(self.ended_at, zone) - DAY)
        return [start + n * DAY for n in range((end - start).days + 1)]


def kind_of(hours: Counter[str]) -> str:
    """#3, #4: of a night with so many hours of each kind (those of `effort.hours`, `silent` and `unknown`)."""
    looked, not_looked = hours["awake"] + hours["ran"], hours["blind"] + hours["silent"]
    waking = looked + not_looked + hours["unknown"]
    if not waking:
        return "asleep"
    if 2 * hours["unknown"] > waking:
        return "unknown"
    return "worked" if looked >= not_looked else "silent"


def sites(connection: Connection, trap: str = "") -> list[Site]:
    """The station's deployments, and the traps that have none; in the order of trap and time."""
    query = select(deployments).where(deployments.c.origin == "").order_by(deployments.c.trap, deployments.c.started_at)
    found = [Site(row.location_id, row.trap, row.started_at, row.ended_at) for row in connection.execute(query)]
    placed = {site.trap for site in found}
    for row in connection.execute(select(traps.c.trap, traps.c.first_seen_at)):
        if row.trap not in placed:
            found.append(Site(row.trap, row.trap, row.first_seen_at, None))
    return sorted(
        (site for site in found if not trap or site.trap == trap), key=lambda site: (site.trap, site.started_at)
    )


def nights_of(
    connection: Connection, known: list[Site], first: date, last: date, now: datetime, zone: tzinfo
) -> dict[tuple[Site, date], str]:
    """The kind of each night from `first` to `last` of these sites (#1)."""
    last = min(last, night_of(now, zone) - DAY)
    began = history_began(connection)
    hours = _hours(connection, first, last, zone)
    found = {}
    for site in known:
        for night in site.nights(first, last, zone):
            start, end = noon(night, zone), noon(night + DAY, zone)
            if began is None or start < began:  # #2
                found[site, night] = "unknown"
                continue
            found[site, night] = kind_of(_whole(hours, site.trap, night, round((end - start) / timedelta(hours=1))))
    return found


def _whole(hours: dict[tuple[str, date], Counter[str]], trap: str, night: date, length: int) -> Counter[str]:
    """The hours of a trap's night, those of which nothing was written told apart by whether the station listened."""
    known = hours.get((trap, night), Counter())
    kinds = Counter({kind: known[kind] for kind in ("awake", "blind", "ran", "asleep")})
    listened = hours.get((STATION, night), Counter())["awake"]
    kinds["silent"] = max(0, listened - known["listened"])
    kinds["unknown"] = max(0, length - sum(kinds.values()))
    return kinds


def _hours(connection: Connection, first: date, last: date, zone: tzinfo) -> dict[tuple[str, date], Counter[str]]:
    """How many hours of each kind every trap's nights have; `listened` are those in which the station was on, too."""
    found: dict[tuple[str, date], Counter[str]] = {}
    station = health.alias("station")
    for start, end, final, added in _spans(first, last, zone):
        heard = health.c.hour == station.c.hour, station.c.trap == STATION
        begins = _night(connection, health.c.hour, added)
        query = (
            select(health.c.trap, begins, health.c.kind, func.count(), func.count(station.c.hour))
            .outerjoin_from(health, station, heard[0] & heard[1])
            .where(health.c.hour >= start, health.c.hour < end)
            .group_by(health.c.trap, begins, health.c.kind)
        )
        for trap, day, kind, count, listened in connection.execute(query):
            hours = found.setdefault((trap, min(final, date.fromisoformat(day))), Counter())
            hours[kind] += count
            hours["listened"] += listened
    return found


def _spans(first: date, last: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime, date, timedelta]]:
    """The time between, cut where noon moves against UTC.

    Start, end, the last night (it may have 25 hours), and what to add to a moment in UTC to get its night.
    """
    day, start = first, first
    while day <= last:
        if day == last or _offset(day + DAY, zone) != _offset(day, zone):
            yield noon(start, zone), noon(day + DAY, zone), day, _offset(start, zone)
            start = day + DAY
        day += DAY


def _offset(night: date, zone: tzinfo) -> timedelta:
    began = noon(night, zone)
    return datetime.combine(night, datetime.min.time(), began.tzinfo) - began


def _night(connection: Connection, hour: ColumnElement[datetime], added: timedelta) -> ColumnElement[str]:
    """The night (ISO date) in which an hour begins."""
    seconds = int(added.total_seconds())
    if connection.dialect.name == "postgresql":
        return func.to_char(hour + func.make_interval(0, 0, 0, 0, 0, 0, seconds), "YYYY-MM-DD", type_=String)
    return func.date(hour, f"{seconds:+d} seconds", type_=String)
