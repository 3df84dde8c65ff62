"""Queries of the web page: pages of sequences, one sequence, its neighbours, names and labels.

A page is found by the key of its first row (started_at, trap, id), never by counting rows. So page 1,000 of a million
sequences costs as much as the first one. `filters` gives the walks that find its rows.
"""

import heapq
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, tuple_

from uncia_collector.catalogue.access.people_in_pictures import ERASED
from uncia_collector.catalogue.filters import Filters, Walk
from uncia_collector.catalogue.schema import camera_signs, frames, observations, sequences, surveys
from uncia_collector.catalogue.sql import of_sequences
from uncia_contract.messages.records import Preview, SequenceRecord, camera_name, decode

PAGE = 48
MOST_NAMES = 100
MOST_COUNTED = 1000  # sequences; the navigation of every page shows the number
ORDER = (sequences.c.started_at, sequences.c.trap, sequences.c.id)
SHOWN = tuple(column for column in sequences.c if column.name != "record")

Cursor = tuple[datetime, str, str]


@dataclass(frozen=True)
class GalleryPage:
    """Sequences, newest first, and the keys at which the next older and the next newer page begin (None: no page)."""

    rows: list[Any]
    older: Cursor | None
    newer: Cursor | None


def page(
    connection: Connection, filters: Filters, zone: tzinfo, before: Cursor | None = None, after: Cursor | None = None
) -> GalleryPage:
    """One page: the newest sequences, those older than `before`, or those newer than `after`."""
    walks = filters.walks(zone, several(connection) if filters.label else ())
    if after is not None:
        found = _keys(connection, walks, after, PAGE + 1, older=False)
        rows = _rows(connection, found[:PAGE][::-1])
        more = len(found) > PAGE
        return GalleryPage(rows, cursor(rows[-1]) if rows else None, cursor(rows[0]) if more else None)
    found = _keys(connection, walks, before, PAGE + 1, older=True)
    rows = _rows(connection, found[:PAGE])
    newer = cursor(rows[0]) if rows and before is not None else None
    return GalleryPage(rows, cursor(rows[-1]) if len(found) > PAGE else None, newer)


def neighbours(connection: Connection, row: Any, filters: Filters, zone: tzinfo) -> tuple[Any, Any]:
    """The next newer and the next older sequence that pass the filters; None where there is none."""
    walks = filters.walks(zone, several(connection) if filters.label else ())
    newer, older = (_keys(connection, walks, cursor(row), 1, older=older) for older in (False, True))
    return newer[0] if newer else None, older[0] if older else None


def sequence(connection: Connection, key: tuple[str, str]) -> Any:
    """One sequence with its record; None if the key is unknown."""
    return connection.execute(
        select(sequences).where(sequences.c.trap == key[0], sequences.c.id == key[1])
    ).one_or_none()


def frames_of(connection: Connection, key: tuple[str, str]) -> list[Any]:
    """The frames of a sequence, in order."""
    query = select(frames).where(frames.c.trap == key[0], frames.c.sequence == key[1]).order_by(frames.c.n)
    return [*connection.execute(query)]


def waiting(connection: Connection) -> int:
    """The number of positive sequences that nobody has reviewed, at most `MOST_COUNTED`."""
    some = select(sequences.c.id).where(sequences.c.standing == "open").limit(MOST_COUNTED).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def names(connection: Connection, column: str) -> list[str]:
    """The values of an indexed column of names, at most `MOST_NAMES`; each costs one search in the index."""
    values = sequences.c[column]
    found = select(func.min(values).label("name")).cte("found", recursive=True)
    following = select(func.min(values)).where(values > found.c.name).scalar_subquery()
    found = found.union_all(select(following).where(found.c.name.is_not(None)))
    query = select(found.c.name).where(found.c.name.is_not(None)).limit(MOST_NAMES)
    return [str(name) for name in connection.execute(query).scalars()]


def trap_names(connection: Connection, chosen: str = "") -> list[str]:
    """The traps that sent sequences, after each hub its cameras (`trap/camera`); and the chosen one."""
    cameras = connection.execute(select(camera_signs.c.trap, camera_signs.c.camera).limit(MOST_NAMES))
    known = {*names(connection, "trap"), *(camera_name(row.trap, row.camera) for row in cameras), chosen} - {""}
    return sorted(known, key=lambda name: name.split("/"))


def labels(connection: Connection) -> list[str]:
    """The labels of all sequences, at most `MOST_NAMES`, with those that only answers of several taxa name."""
    also = (label for each in several(connection) for label in each)
    return [*dict.fromkeys([*names(connection, "called"), *also])][:MOST_NAMES]


def several(connection: Connection) -> list[tuple[str, ...]]:
    """The lists of labels that answers of several taxa name besides the first; each costs one look at the index."""
    also = sequences.c.also_called
    found = select(func.min(also).label("labels")).where(also.is_not(None)).cte("found", recursive=True)
    following = select(func.min(also)).where(also.is_not(None), also > found.c.labels).scalar_subquery()
    found = found.union_all(select(following).where(found.c.labels.is_not(None)))
    return [*connection.execute(select(found.c.labels).where(found.c.labels.is_not(None))).scalars()]


def opinions_of(connection: Connection, key: tuple[str, str]) -> list[Any]:
    """The 50 newest observations of a sequence, newest first."""
    where = (observations.c.trap == key[0], observations.c.sequence == key[1])
    return [*connection.execute(select(observations).where(*where).order_by(observations.c.key.desc()).limit(50))]


def survey_of(connection: Connection, row: Any) -> str:
    """The title of the survey with which a sequence was imported; empty for a sequence of a trap."""
    if not row.origin:
        return ""
    title = connection.execute(select(surveys.c.title).where(surveys.c.name == row.origin)).scalar_one_or_none()
    return str(title or row.origin)


def first_shown(connection: Connection, rows: list[Any]) -> dict[tuple[str, str], int]:
    """The number of the frame to show, by sequence.

    It is the best frame if that is stored, else the first stored frame, else the frame of the record's preview.
    """
    wanted = {(row.trap, row.id): row.best_frame for row in rows}
    query = select(frames.c.trap, frames.c.sequence, frames.c.n).where(
        of_sequences(frames.c.trap, frames.c.sequence, wanted), frames.c.status == "stored"
    )
    shown: dict[tuple[str, str], int] = {}
    for trap, sequence, n in connection.execute(query.order_by(frames.c.n)):
        if (trap, sequence) not in shown or n == wanted[trap, sequence]:
            shown[trap, sequence] = n
    bare = [key for key in wanted if key not in shown]
    return shown | {key: preview.n for key, preview in previews(connection, bare).items()}


def erased(connection: Connection, keys: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these sequences whose pictures were deleted because they showed people."""
    found = of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == ERASED
    return {(trap, known) for trap, known in connection.execute(select(frames.c.trap, frames.c.sequence).where(*found))}


def previews(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Preview]:
    """The previews in the records of these sequences, by sequence; sequences without one are left out."""
    query = select(sequences.c.trap, sequences.c.id, sequences.c.record).where(
        of_sequences(sequences.c.trap, sequences.c.id, keys), sequences.c.origin == ""
    )
    records = {(trap, known): decode(record, SequenceRecord) for trap, known, record in connection.execute(query)}
    return {key: record.preview for key, record in records.items() if record.preview is not None}


def cursor(row: Any) -> Cursor:
    """The key of a row, by which sequences are ordered."""
    return row.started_at, row.trap, row.id


def _keys(connection: Connection, walks: list[Walk], at: Cursor | None, most: int, *, older: bool) -> list[Any]:
    """The keys of the first `most` sequences after `at` in one direction, merged from all walks."""
    base = select(*ORDER).order_by(*(column.desc() if older else column.asc() for column in ORDER)).limit(most)
    beyond = [] if at is None else [_past(at, older=older)]
    with ExitStack() as open_walks:
        each = [open_walks.enter_context(connection.execute(base.where(*walk, *beyond))) for walk in walks]
        return [*islice(heapq.merge(*each, key=cursor, reverse=older), most)]  # a walk reads only what is needed


def _rows(connection: Connection, keys: list[Any]) -> list[Any]:
    """The rows of these keys, in their order."""
    known = [(row.trap, row.id) for row in keys]
    query: Select[Any] = select(*SHOWN).where(of_sequences(sequences.c.trap, sequences.c.id, known))
    rows = {(row.trap, row.id): row for row in connection.execute(query)}
    return [rows[key] for key in known]


def _past(at: Cursor, *, older: bool) -> ColumnElement[bool]:
    """The condition "strictly after `at`" in one direction, written so that both databases use the index."""
    started_at, trap, known = at
    column = sequences.c.started_at
    tie, values = tuple_(sequences.c.trap, sequences.c.id), tuple_(trap, known)
    if older:
        return and_(column <= started_at, or_(column < started_at, tie < values))
    return and_(column >= started_at, or_(column > started_at, tie > values))
