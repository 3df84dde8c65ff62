"""Opens a catalogue's database (SQLite or PostgreSQL), migrates it, and begins its transactions.

SQLite uses WAL and synchronous=FULL, so that a power cut loses nothing that was committed. Writers wait for each other
up to 30 seconds.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from uncia_collector.catalogue.events.settling import settle
from uncia_collector.catalogue.schema import facts
from uncia_collector.catalogue.sql import upsert
from uncia_contract.errors import ConfigurationError, StorageError

KEPT_PAGES = 4096  # free pages (16 MB) that stay in the file for new rows
CATALOGUE_ID = "catalogue_id"
MIGRATION_LOCK = 0x756E636961  # "uncia" as a number, for PostgreSQL's advisory lock


class Database:
    """One catalogue, on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        """Make the engine for an SQLAlchemy URL; nothing is read or written yet.

        Raises:
            ConfigurationError: the URL is invalid, or its driver is not installed.
        """
        self.engine = _engine(url)
        self.is_postgresql = self.engine.dialect.name == "postgresql"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write: at its end events are updated and it is committed; an error rolls it back."""
        with self._transaction() as connection:
            yield connection
            settle(connection)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.engine.connect() as raw:
            connection = raw.execution_options(uncia_writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction in which all queries see the same state of the catalogue."""
        with self.engine.connect() as raw:
            # SQLite's transactions do this by default.
            connection = raw.execution_options(isolation_level="REPEATABLE READ") if self.is_postgresql else raw
            with connection.begin():
                yield connection

    def lock_sequences(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
        """Lock these (trap, id) against other collectors until the transaction ends; SQLite has only one writer."""
        if self.is_postgresql:
            for trap, sequence in sorted(keys):
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{trap}/{sequence}"}
                )

    def migrate(self, revision: str = "head") -> None:
        """Migrate the tables to this program's revision, or up to `revision`; several collectors may start at once.

        Raises:
            StorageError: the database cannot be reached or written, or is newer than this program.
        """
        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self._migration_lock(), self._transaction() as connection:
                configuration.attributes["connection"] = connection
                command.upgrade(configuration, revision)
                if revision == "head":
                    settle(connection)
                    if not catalogue_id(connection):
                        new = {"name": CATALOGUE_ID, "value": str(uuid4())}
                        connection.execute(upsert(connection, facts, new, ["name"]))
        except OperationalError as error:
            raise StorageError(f"database {self.described}: {_first_line(error)}") from error
        except Exception as error:
            if "Can't locate revision" in str(error):
                raise StorageError(f"database {self.described}: written by a newer uncia; update this one") from error
            raise

    def give_space_back(self) -> None:
        """Shrink SQLite's file by the pages that deleted rows left free, a few megabytes in each transaction.

        PostgreSQL does this itself. The file of a catalogue made by release 0.1 does not shrink; it uses the pages
        again.
        """
        if self.is_postgresql:
            return
        for _ in range(1000):
            with self.writing() as connection:
                free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
                if free <= KEPT_PAGES or not connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one():
                    return
                raw: Any = connection.connection.driver_connection
                raw.execute("PRAGMA incremental_vacuum(1000)").fetchall()  # one row for each page

    @property
    def described(self) -> str:
        """The URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _migration_lock(self) -> Iterator[None]:
        if self.is_postgresql:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
                yield
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            return
        path = Path(f"{self.engine.url.database}.lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A new file gets mode 0600; SQLite gives its log the same rights.
            os.close(os.open(path.with_suffix(""), os.O_CREAT | os.O_RDONLY, 0o600))
            lock = path.open("w")
        except OSError as error:
            raise StorageError(f"data folder {path.parent}: {error.strerror}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def catalogue_id(connection: Connection) -> str:
    """The catalogue's unique id, which stays the same when it is moved; "" before the first migration."""
    return str(connection.execute(select(facts.c.value).where(facts.c.name == CATALOGUE_ID)).scalar() or "")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().splitlines()[0]


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(make_url(url), pool_pre_ping=True, hide_parameters=True)  # errors show no places
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(f"database {url.rsplit('@', maxsplit=1)[-1]!r}: {_first_line(error)}") from error
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise ConfigurationError(f"database {engine.dialect.name!r}: expected sqlite or postgresql")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # compiling takes longer than it saves: no query here runs for more than a fraction of a second
    connection.execute("SET jit = off")
    connection.commit()


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` sends BEGIN
    for pragma in (
        "busy_timeout=30000",
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("uncia_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
