"""Keeps the table of events correct at every commit.

Triggers (revision 0011) note in `unsettled` which sequences were added, removed, moved in time or reviewed, whatever
program wrote them. `Database.writing` calls `settle` before each commit:
#1 Added sequences join the events around them.
#2 After any other change, the sequences around each note are grouped again, and no others.
Traps are locked in the order of their names, so that two collectors see each other's sequences and cannot deadlock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import astuple
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, text

from uncia_collector.catalogue.events.grouping import (
    INDEPENDENCE_MINUTES,
    Event,
    Shown,
    all_shown,
    alone,
    events_of,
    join,
)
from uncia_collector.catalogue.events.starts import pack
from uncia_collector.catalogue.schema import event_months, events, facts, sequences, surveys, unsettled
from uncia_collector.catalogue.sql import upsert

_INTERVAL = "independence_minutes"
_ROWS_AT_ONCE = 5000
_MOST_JOINED = 500
_COLUMNS = tuple(
    sequences.c[name]
    for name in (
        *("id", "started_at", "ended_at", "called", "standing", "probabilities", "origin", "event", "camera"),
        "also_called",
    )
)

Span = tuple[datetime, datetime]


def independence(connection: Connection) -> timedelta:
    """The independence interval with which this catalogue's events were made."""
    known = connection.execute(select(facts.c.value).where(facts.c.name == _INTERVAL)).scalar_one_or_none()
    return timedelta(minutes=INDEPENDENCE_MINUTES if known is None else int(known))


def set_independence(connection: Connection, minutes: int) -> bool:
    """Set another interval and note all sequences for grouping; False if the interval is the same as before."""
    if independence(connection) == timedelta(minutes=minutes):
        return False
    connection.execute(upsert(connection, facts, {"name": _INTERVAL, "value": str(minutes)}, ["name"], ["value"]))
    connection.execute(delete(events))
    connection.execute(delete(event_months))
    everything = select(sequences.c.trap, func.min(sequences.c.started_at), func.max(sequences.c.started_at))
    notes = insert(unsettled).from_select(["trap", "since", "until"], everything.group_by(sequences.c.trap))
    connection.execute(notes)
    return True


def settle(connection: Connection) -> None:
    """Update the events for the sequences that this transaction wrote."""
    traps = connection.execute(select(unsettled.c.trap).distinct().order_by(unsettled.c.trap)).scalars().all()
    if not traps:
        return
    interval = independence(connection)
    for trap in traps:
        _lock(connection, trap)
        notes = select(unsettled.c.since, unsettled.c.until).where(unsettled.c.trap == trap)
        rows = connection.execute(notes.order_by(unsettled.c.since))
        near = [*_merged(((row.since, row.until) for row in rows), interval)]
        came = _came(connection, trap)
        if came is not None:  # #1
            _join(connection, trap, near, [alone(row, interval) for row in came], interval)
            continue
        whole = sorted(_whole_events(connection, trap, _reached(span, interval)) for span in near)  # #2
        spans = [*_merged(whole, timedelta(0))]
        _regroup(connection, trap, spans, interval)
        for since, until in spans:
            pack(connection, trap, since, until)
    connection.execute(delete(unsettled))


def _came(connection: Connection, trap: str) -> list[Shown] | None:
    """The added sequences; None if there are other changes, too many sequences, or imported surveys."""
    notes = connection.execute(select(unsettled.c.sequence).where(unsettled.c.trap == trap).limit(_MOST_JOINED + 1))
    ids = [*notes.scalars()]
    if len(ids) > _MOST_JOINED or None in ids or connection.execute(select(surveys.c.name).limit(1)).first():
        return None
    query = select(*_COLUMNS).where(sequences.c.trap == trap, sequences.c.id.in_(ids))
    rows = connection.execute(query).all()
    return None if any(row.origin for row in rows) else [one for row in rows for one in all_shown(row)]


def _join(connection: Connection, trap: str, spans: list[Span], came: list[Event], interval: timedelta) -> None:
    """Join added sequences within these spans to the events around them; pack only months whose starts changed."""
    for since, until in spans:
        start, end = _reached((since, until), interval)
        there = events.c.trap == trap, events.c.ended_at >= start, events.c.started_at <= end
        query = select(*(column for column in events.c if column.name != "trap")).where(*there)
        known = [Event(**row._mapping) for row in connection.execute(query)]
        new = [event for event in came if since <= event.started_at <= until]
        parts = sorted([*known, *new], key=lambda event: (event.started_at, event.first))
        was, now = (
            {astuple(event): event for event in each} for each in (known, join(((p, "") for p in parts), interval))
        )
        for event in (was[key] for key in was.keys() - now.keys()):
            this = events.c.trap == trap, events.c.first == event.first, events.c.label == event.label
            connection.execute(delete(events).where(*this))
        connection.execute(insert(events), [_row(trap, now[key]) for key in now.keys() - was.keys()])
        moved = {_begun(event) for event in was.values()} ^ {_begun(event) for event in now.values()}
        if moved:
            pack(connection, trap, min(moved)[0], max(moved)[0])


def _begun(event: Event) -> tuple[datetime, str, bool]:
    return event.started_at, event.label, event.sighting


def _reached(span: Span, interval: timedelta) -> Span:
    """The span around `span` whose events may join its sequences.

    A sequence that begins at the end of `span` lasts one interval at most, and one that begins an interval later joins
    it.
    """
    return span[0] - interval, span[1] + 2 * interval


def _lock(connection: Connection, trap: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"events of {trap}"}
        )


def _merged(spans: Iterable[Span], interval: timedelta) -> Iterator[Span]:
    """The spans (in the order of their starts), with those joined that are not more than `interval` apart."""
    merged: Span | None = None
    for since, until in spans:
        if merged is not None and since - merged[1] > interval:
            yield merged
            merged = None
        merged = (since, until) if merged is None else (merged[0], max(merged[1], until))
    if merged is not None:
        yield merged


def _regroup(connection: Connection, trap: str, spans: list[Span], interval: timedelta) -> None:
    """Group the sequences of these spans again; no event may lie partly in a span.

    All spans are emptied first, because a sequence may have moved from one to another.
    """
    for since, until in spans:
        connection.execute(delete(events).where(events.c.trap == trap, events.c.started_at.between(since, until)))
    for since, until in spans:
        rows = [_row(trap, event) for event in events_of(_shown(connection, trap, since, until), interval)]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            connection.execute(insert(events), rows[start : start + _ROWS_AT_ONCE])


def _whole_events(connection: Connection, trap: str, span: Span) -> Span:
    """The span, extended until no known event lies partly in it."""
    query = select(func.min(events.c.started_at), func.max(events.c.ended_at)).where(events.c.trap == trap)
    while True:
        overlapping = query.where(events.c.ended_at >= span[0], events.c.started_at <= span[1])
        first, last = connection.execute(overlapping).one()
        grown = (min(span[0], first), max(span[1], last)) if first is not None else span
        if grown == span:
            return span
        span = grown


def _shown(connection: Connection, trap: str, since: datetime, until: datetime) -> Iterator[Shown]:
    there = sequences.c.trap == trap, sequences.c.started_at.between(since, until)
    query = select(*_COLUMNS).where(*there)
    for row in connection.execute(query.order_by(sequences.c.started_at, sequences.c.id)):
        yield from all_shown(row)


def _row(trap: str, event: Event) -> dict[str, object]:
    return {"trap": trap} | vars(event)
