"""The kind of each night of each trap (of a hub: of each camera): worked, asleep, silent or unknown.

#1 A night lasts from noon to noon at the station. It counts when it is over and lies completely in a deployment of the
trap, or, for a trap without deployments, after its first message.
#2 A night that began before the hourly history is `unknown`.
#3 Hours of announced sleep are not counted; a night with no other hours is `asleep`.
#4 Any other night is `unknown` if more than half of its hours are unknown; else `worked` if the trap looked in at least
half of the known hours; else `silent` (no message came, or the trap had no camera).
#5 A trap whose state names cameras is a hub, and each camera has nights of its own. A camera without a deployment of
its own is at the hub's place. Its nights are those of the hub, but `unknown` before its first sign of life, and
`silent` from seven days after its last one, until a later sign shows that it was on. A hub that has sequences of its
own also has nights of its own, until the first sign of its cameras.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from uncia_collector.catalogue.filters import night_of, noon
from uncia_collector.catalogue.overdue import CAMERA_LIMIT_S
from uncia_collector.catalogue.schema import deployments, health_days, sequences, traps
from uncia_collector.effort.camera_signs import Signs, signs
from uncia_collector.effort.hours import HOUR, LETTERS, STATION, UNKNOWN, history_began, hour_of
from uncia_contract.messages.records import camera_name

KINDS = ("worked", "asleep", "silent", "unknown")
DAY = timedelta(days=1)
CAMERA_LIMIT = timedelta(seconds=CAMERA_LIMIT_S)

_AWAKE, _BLIND, _RAN, _NOTHING = map(ord, (LETTERS["awake"], LETTERS["blind"], LETTERS["ran"], UNKNOWN))

Hours = NDArray[np.int64]
Letters = NDArray[np.uint8]


@dataclass(frozen=True)
class Site:
    """A place and a time in which the nights of a trap count; `id` is the deployment's location, else the trap."""

    id: str
    trap: str
    started_at: datetime
    ended_at: datetime | None
    is_hubs: bool = False  # a camera at its hub's place; a deployment of the camera itself has priority

    def nights(self, first: date, last: date, zone: tzinfo) -> list[date]:
        """The nights from `first` to `last` that lie completely in the site's time (#1)."""
        start = max(first, night_of(self.started_at - timedelta(microseconds=1), zone) + DAY)
        end = last if self.ended_at is None else min(last, night_of(self.ended_at, zone) - DAY)
        return [start + n * DAY for n in range((end - start).days + 1)]


def kind_of(looked: Hours, not_looked: Hours, unknown: Hours) -> NDArray[np.str_]:
    """The kind of each night (#3, #4), from the numbers of its hours; hours of sleep are in none of the three arrays.

    `looked`: the trap looked for animals. `not_looked`: silent or blind. `unknown`: nobody knows.
    """
    known = np.where(looked >= not_looked, "worked", "silent")
    waking = looked + not_looked + unknown
    return np.where(waking == 0, "asleep", np.where(2 * unknown > waking, "unknown", known))


def sites(connection: Connection) -> list[Site]:
    """The sites: the station's deployments, and the traps and cameras without one; ordered by trap and time."""
    query = select(deployments).where(deployments.c.origin == "").order_by(deployments.c.trap, deployments.c.started_at)
    found = [Site(row.location_id, row.trap, row.started_at, row.ended_at) for row in connection.execute(query)]
    placed = {site.trap for site in found}
    for row in connection.execute(select(traps.c.trap, traps.c.first_seen_at)):
        if row.trap not in placed:
            found.append(Site(row.trap, row.trap, row.first_seen_at, None))
    for hub, of_cameras in signs(connection).items():
        found = [*_without_hub(connection, found, hub, of_cameras), *_of_cameras(found, hub, of_cameras, placed)]
    return sorted(found, key=lambda site: (site.trap, site.started_at))


def _without_hub(
    connection: Connection, found: list[Site], hub: str, of_cameras: Mapping[str, Signs]
) -> Iterator[Site]:
    """The sites, those of the hub itself ended at its cameras' first sign, or left out if it has no sequences (#5)."""
    own = sequences.c.trap == hub, sequences.c.camera == "", sequences.c.origin == ""
    had_own = connection.execute(select(sequences.c.id).where(*own).limit(1)).first() is not None
    became = min(each.first_at for each in of_cameras.values())
    for site in found:
        if site.trap != hub:
            yield site
        elif had_own and site.started_at < became:
            yield replace(site, ended_at=min(site.ended_at or became, became))


def _of_cameras(found: list[Site], hub: str, of_cameras: Mapping[str, Signs], placed: set[str]) -> Iterator[Site]:
    """The sites of a hub's cameras: those of the hub; for a camera that no deployment places, from its first sign."""
    for camera, signs_ in of_cameras.items():
        name = camera_name(hub, camera)
        if hub in placed:
            yield from (replace(site, trap=name, is_hubs=True) for site in found if site.trap == hub)
        elif name not in placed:
            yield Site(name, name, signs_.first_at, None)


def nights_of(
    connection: Connection, known: list[Site], first: date, last: date, now: datetime, zone: tzinfo
) -> dict[Site, dict[date, str]]:
    """The kind of each night from `first` to `last` that counts for these sites (#1), by site and night."""
    last = min(last, night_of(now, zone) - DAY)
    began, counted = history_began(connection), _counted(known, first, last, zone)
    if last < first or began is None:
        return {site: dict.fromkeys(nights, "unknown") for site, nights in counted.items()}
    noons = [noon(first + n * DAY, zone) for n in range((last - first).days + 2)]
    base = hour_of(noons[0]) - DAY
    edges = np.array([-((base - at) // HOUR) for at in noons])  # index of the first hour that begins at noon or later
    letters = _letters(connection, base, noons[-1] + DAY)
    before = np.array([at < began for at in noons[:-1]])  # #2
    nothing = np.full(edges[-1] + 1, _NOTHING, np.uint8)
    station = letters.get(STATION, nothing)
    alive = signs(connection)
    kinds = {}
    for name in {site.trap for site in known}:
        trap, _, camera = name.partition("/")
        of_trap = np.where(before, "unknown", _kinds(letters.get(trap, nothing), station, edges))
        kinds[name] = (_of_camera(of_trap, alive.get(trap, {}).get(camera), noons) if camera else of_trap).tolist()
    return {
        site: {night: kinds[site.trap][(night - first).days] for night in nights} for site, nights in counted.items()
    }


def _counted(known: list[Site], first: date, last: date, zone: tzinfo) -> dict[Site, list[date]]:
    """The nights of each site (#1); a camera's at its hub's place without those of its own deployments (#5)."""
    nights = {site: site.nights(first, last, zone) for site in known}
    own = {(site.trap, night) for site in known if not site.is_hubs for night in nights[site]}
    return {
        site: [night for night in of_it if not (site.is_hubs and (site.trap, night) in own)]
        for site, of_it in nights.items()
    }


def _of_camera(kinds: NDArray[np.str_], signs_: Signs | None, noons: list[datetime]) -> NDArray[np.str_]:
    """The kinds of a camera's nights (#5), from the kinds of the hub's nights between these noons."""
    if signs_ is None:
        return np.full_like(kinds, "unknown")
    before = np.array([until <= signs_.first_at for until in noons[1:]])
    after = np.array([since >= signs_.last_at + CAMERA_LIMIT for since in noons[:-1]])
    return np.where(before, "unknown", np.where(after & (kinds == "worked"), "silent", kinds))


def _kinds(trap: Letters, station: Letters, edges: Hours) -> NDArray[np.str_]:
    """The kind of each night between two edges; an hour without a kind is silent if the station listened."""
    trap, station = trap[: edges[-1]], station[: edges[-1]]
    nothing = trap == _NOTHING
    listened = station == _AWAKE
    hours = (
        (trap == _AWAKE) | (trap == _RAN),
        (trap == _BLIND) | (nothing & listened),
        nothing & ~listened,
    )
    sums = (np.concatenate([[0], np.cumsum(which)])[edges] for which in hours)
    return kind_of(*(np.diff(total) for total in sums))


def _letters(connection: Connection, base: datetime, end: datetime) -> dict[str, Letters]:
    """The letters of the hours from `base` to the end of the day of `end` or later, by trap."""
    first, days = base.date(), (end.date() - base.date()).days + 2
    query = select(health_days.c.trap, health_days.c.day, health_days.c.hours)
    query = query.where(health_days.c.day.between(f"{first}", f"{first + days * DAY}"))
    found: dict[str, Letters] = {}
    for trap, day, hours in connection.execute(query):
        at = (date.fromisoformat(day) - first).days * 24
        if trap not in found:
            found[trap] = np.full((days + 1) * 24, _NOTHING, np.uint8)
        found[trap][at : at + 24] = np.frombuffer(hours.encode(), np.uint8)
    return {trap: hours[base.hour :] for trap, hours in found.items()}
