"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL both have and SQLAlchemy spells twice."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    connection: Connection,
    table: Table,
    row: dict[str, Any],
    key: Sequence[str],
    replaced: Sequence[str] = (),
    added: Sequence[str] = (),
) -> Executable:
    """An insert; where `key` is taken, `replaced` columns take the new value and `added` ones grow by it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(row)
    changes = {name: statement.excluded[name] for name in replaced}
    changes |= {name: table.c[name] + statement.excluded[name] for name in added}
    if not changes:
        skipping: Executable = statement.on_conflict_do_nothing(index_elements=list(key))
        return skipping
    changing: Executable = statement.on_conflict_do_update(index_elements=list(key), set_=changes)
    return changing
