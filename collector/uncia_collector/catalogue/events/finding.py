"""Finds the events of given sequences, and the sightings that came in a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, true

from uncia_collector.catalogue.events.grouping import all_shown
from uncia_collector.catalogue.schema import events, sequences

Key = tuple[str, str]
NEAR = timedelta(hours=1)
_COLUMNS = tuple(column for column in sequences.c if column.name != "record")


def event_of(connection: Connection, rows: Sequence[Any]) -> dict[Key, Any]:
    """The row of `events` of each of these sequences, by (trap, id); of several events the one of its main label."""
    return {key: next(iter(found.values())) for key, found in events_by_label(connection, rows).items()}


def events_by_label(connection: Connection, rows: Sequence[Any]) -> dict[Key, dict[str, Any]]:
    """The rows of `events` of each of these sequences, by (trap, id) and by label, the main label first.

    The given rows need `trap` and the columns that `grouping.all_shown` reads.
    """
    found: dict[Key, dict[str, Any]] = {}
    for run in _runs(sorted(rows, key=lambda row: row.started_at)):
        found |= _of_run(connection, run)
    return found


def _runs(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Split rows (in order of time) into runs without long gaps, so that no run reads the events of years."""
    run: list[Any] = []
    for row in rows:
        if run and row.started_at - run[-1].started_at > NEAR:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _of_run(connection: Connection, rows: Sequence[Any]) -> dict[Key, dict[str, Any]]:
    nearby: dict[tuple[str, str, str, bool], list[Any]] = {}
    for event in connection.execute(_between(rows[0].started_at, rows[-1].started_at, {row.trap for row in rows})):
        nearby.setdefault((event.trap, event.camera, event.label, event.sighting), []).append(event)
    found: dict[Key, dict[str, Any]] = {}
    for row, what in ((one, what) for one in rows for what in all_shown(one)):
        kind = (row.trap, what.camera, what.label, what.sighting)
        known = nearby.setdefault(kind, [])
        begun = bisect_right(known, row.started_at, key=lambda event: event.started_at)
        if not begun:
            known.insert(0, connection.execute(_last_before(kind, row.started_at)).one())
            begun = 1
        found.setdefault((row.trap, row.id), {})[what.label] = known[begun - 1]
    return found


def sightings_between(connection: Connection, since: datetime, until: datetime) -> list[Any]:
    """The sightings of traps whose first sequence arrived after `since` and not after `until`."""
    traps_own = sequences.c.origin == "", sequences.c.received_at <= until
    came = connection.execute(select(*_COLUMNS).where(*traps_own, sequences.c.received_at > since)).all()
    each = (event for of_it in events_by_label(connection, came).values() for event in of_it.values())
    found = {(event.trap, event.first, event.label): event for event in each}
    return [event for event in found.values() if event.sighting and not _known(connection, event, since)]


def _known(connection: Connection, event: Any, since: datetime) -> bool:
    """Whether a sequence of the event had arrived by `since`."""
    there = sequences.c.trap == event.trap, sequences.c.started_at.between(event.started_at, event.ended_at)
    came = connection.execute(select(*_COLUMNS).where(*there, sequences.c.received_at <= since))
    kind = event.camera, event.label, event.sighting
    return any((one.camera, one.label, one.sighting) == kind for row in came for one in all_shown(row))


def _between(since: datetime, until: datetime, traps: set[str]) -> Select[Any]:
    known = events.c.trap == next(iter(traps)) if len(traps) == 1 else true()
    there = events.c.started_at >= since, events.c.started_at <= until
    return select(events).where(events.c.sighting.in_((True, False)), *there, known).order_by(events.c.started_at)


def _last_before(kind: tuple[str, str, str, bool], moment: datetime) -> Select[Any]:
    trap, camera, label, sighting = kind
    this = events.c.trap == trap, events.c.camera == camera, events.c.label == label, events.c.sighting.is_(sighting)
    return select(events).where(*this, events.c.started_at <= moment).order_by(events.c.started_at.desc()).limit(1)


def called(label: str = "") -> ColumnElement[bool]:
    """A condition on `events`: a sighting; with a label, an event of that label, sighting or not."""
    return events.c.label == label if label else events.c.sighting.is_(True)
