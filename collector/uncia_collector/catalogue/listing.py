"""Reads all sequences and their stored frames, page by page; makes the objects of `uncia-collect list`."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, tuple_

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.gallery import ORDER, SHOWN, cursor
from uncia_collector.catalogue.schema import frames
from uncia_collector.catalogue.sql import of_sequences

PAGE = 500


def listing(database: Database) -> Iterator[dict[str, Any]]:
    """Every sequence, oldest first: the objects of `uncia-collect list --json`.

    `files` holds the frames that are stored; `path` is relative to the data folder, `started_at` ISO 8601 in UTC.
    """
    with database.reading() as connection:
        for rows in pages_of_sequences(connection):
            files = stored_frames(connection, [(row.trap, row.id) for row in rows])
            for row in rows:
                yield _listed(row, files.get((row.trap, row.id), []))


def pages_of_sequences(connection: Connection, *where: ColumnElement[bool]) -> Iterator[list[Any]]:
    """Yield the sequences that pass `where`, without their records, oldest first, `PAGE` at a time."""
    query = select(*SHOWN).where(*where).order_by(*ORDER).limit(PAGE)
    rows = [*connection.execute(query)]
    while rows:
        yield rows
        after = tuple_(*cursor(rows[-1]), types=[column.type for column in ORDER])
        rows = [*connection.execute(query.where(tuple_(*ORDER) > after))]


def stored_frames(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], list[Any]]:
    """The stored frames of these sequences, by sequence, in order; sequences without any are left out."""
    query = select(frames).where(of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == "stored")
    found: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(query.order_by(frames.c.n)):
        found.setdefault((row.trap, row.sequence), []).append(row)
    return found


def _listed(row: Any, files: list[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "trap": row.trap,
        "started_at": row.started_at.isoformat().replace("+00:00", "Z"),
        "frames": row.frames,
        "frames_scored": row.frames_scored,
        "confidence": row.confidence,
        "threshold": row.threshold,
        "positive": row.positive,
        "label": row.label,
        "probabilities": row.probabilities,
        "test": row.test,
        "camera": row.camera,
        "complete": row.completed_at is not None,
        "files": [{name: getattr(file, name) for name in ("n", "name", "sha256", "size", "path")} for file in files],
    }
