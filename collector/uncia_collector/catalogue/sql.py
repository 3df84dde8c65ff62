"""SQL that SQLAlchemy does not spell the same, or not fast, on SQLite and PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, false, or_
from sqlalchemy.dialects import postgresql, sqlite


def of_sequences(trap: Any, sequence: Any, keys: Iterable[tuple[str, str]]) -> ColumnElement[bool]:
    """Whether the columns `trap` and `sequence` are one of the keys, in a form that SQLite answers from an index.

    `(trap, sequence) IN (VALUES ...)` makes SQLite scan the whole table (measured: 140 ms at 600,000 frames, 3 ms so).
    """
    by_trap: dict[str, list[str]] = {}
    for name, known in keys:
        by_trap.setdefault(name, []).append(known)
    return or_(false(), *((trap == name) & sequence.in_(known) for name, known in by_trap.items()))


def upsert(
    connection: Connection,
    table: Table,
    row: dict[str, Any] | list[dict[str, Any]],
    key: Sequence[str],
    replaced: Sequence[str] = (),
    added: Sequence[str] = (),
) -> Executable:
    """INSERT rows, ON CONFLICT on `key`: `replaced` columns take the new value, `added` ones grow by it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(row)
    changes = {name: statement.excluded[name] for name in replaced}
    changes |= {name: table.c[name] + statement.excluded[name] for name in added}
    if not changes:
        skipping: Executable = statement.on_conflict_do_nothing(index_elements=list(key))
        return skipping
    changing: Executable = statement.on_conflict_do_update(index_elements=list(key), set_=changes)
    return changing
