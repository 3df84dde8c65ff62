"""Copies a catalogue (SQLite or PostgreSQL) to a SQLite file while the station runs, and such a file to PostgreSQL.

The catalogue of a backup is always a SQLite file. So a backup of PostgreSQL can be read without the same version of
PostgreSQL, and a station can change its database by a backup and a restore.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, text

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import metadata, unsettled

ROWS_AT_ONCE = 1000


def save_catalogue(database: Database, file: Path) -> None:
    """Write the catalogue, as of one moment, to a new SQLite file."""
    if database.is_postgresql:
        _copy_to_sqlite(database, file)
        return
    with database.engine.connect() as connection, sqlite3.connect(file) as copy:
        source: Any = connection.connection.driver_connection
        source.backup(copy)  # one step copies all pages of one committed state; writers go on (WAL)
    copy.execute("PRAGMA journal_mode=DELETE").close()  # one file, without a write-ahead log beside it
    copy.close()


def load_catalogue(file: Path, database: Database) -> None:
    """Copy a saved catalogue into a PostgreSQL database whose tables exist and are empty."""
    saved = Database(f"sqlite:///{file.absolute()}")
    with saved.reading() as source, database.engine.begin() as target:
        _copy_rows(source, target)
        for table in metadata.sorted_tables:
            _advance_key(target, table)
    saved.close()


def _copy_to_sqlite(database: Database, file: Path) -> None:
    saved = Database(f"sqlite:///{file.absolute()}")
    saved.migrate()
    with database.reading() as source, saved.engine.begin() as target:
        _copy_rows(source, target)
    with saved.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA journal_mode=DELETE").close()
    saved.close()
    Path(f"{file}.lock").unlink(missing_ok=True)


def _copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows of all tables. Events are copied too, so the triggers' notes in `unsettled` are deleted."""
    for table in metadata.sorted_tables:
        target.execute(delete(table))
        columns = [column for column in table.c if column.computed is None]
        found = source.execution_options(yield_per=ROWS_AT_ONCE).execute(select(*columns))
        for rows in found.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in rows])
    target.execute(delete(unsettled))


def _advance_key(connection: Connection, table: Table) -> None:
    """Set PostgreSQL's sequence of the table's key to the highest key, so that new rows get new numbers."""
    key = table.autoincrement_column
    if key is not None and len(table.primary_key) == 1:
        highest = connection.execute(select(func.max(key))).scalar()
        if highest is not None:
            query = "SELECT setval(pg_get_serial_sequence(:table, :key), :highest)"
            connection.execute(text(query), {"table": table.name, "key": key.name, "highest": highest})
