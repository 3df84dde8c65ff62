"""The catalogue's reading side: what is stored, as other tools and people want it listed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select, tuple_

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import frames, sequences
from uncia_collector.catalogue.sql import of_sequences

PAGE = 500


def listing(database: Database) -> Iterator[dict[str, Any]]:
    """Every sequence, oldest first: the objects of `uncia-collect list --json`.

    `files` holds the frames that are stored; `path` is relative to the data folder, `started_at` ISO 8601 in UTC.
    """
    after: tuple[Any, ...] | None = None
    with database.reading() as connection:
        while page := _page(connection, after):
            files = _files(connection, [(row.trap, row.id) for row in page])
            for row in page:
                yield _listed(row, files.get((row.trap, row.id), []))
            after = (page[-1].started_at, page[-1].trap, page[-1].id)


def _page(connection: Connection, after: tuple[Any, ...] | None) -> Any:
    order = (sequences.c.started_at, sequences.c.trap, sequences.c.id)
    query = select(sequences).order_by(*order).limit(PAGE)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after, types=[column.type for column in order]))
    return connection.execute(query).all()


def _files(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    query = select(frames).where(of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == "stored")
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in connection.execute(query.order_by(frames.c.trap, frames.c.sequence, frames.c.n)):
        entry = {"n": row.n, "name": row.name, "sha256": row.sha256, "size": row.size, "path": row.path}
        files.setdefault((row.trap, row.sequence), []).append(entry)
    return files


def _listed(row: Any, files: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "trap": row.trap,
        "started_at": row.started_at.isoformat().replace("+00:00", "Z"),
        "frames": row.frames,
        "frames_scored": row.frames_scored,
        "confidence": row.confidence,
        "threshold": row.threshold,
        "positive": row.positive,
        "complete": row.completed_at is not None,
        "files": files,
    }
