"""Opens a catalogue's database, migrates it and begins its transactions.

Decides SQLite's durability (WAL, synchronous=FULL: nothing that was committed is lost to a power cut) and how
writers wait for each other; it does not decide what is written.
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

KEPT_PAGES = 4096  # 16 MB that the next rows use again
CATALOGUE_ID = "catalogue_id"
MIGRATION_LOCK = 0x756E636961  # "uncia", as PostgreSQL's advisory lock wants a number


class Database:
    """One catalogue, on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        """Open it; nothing is read or written yet.

        Raises:
            ConfigurationError: the URL is not one, or its driver is not installed.
        """
        self.engine = _engine(url)
        self.is_postgresql = self.engine.dialect.name == "postgresql"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write: events settled and committed at the end, rolled back on any error."""
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
            # SQLite's transactions are so by themselves.
            connection = raw.execution_options(isolation_level="REPEATABLE READ") if self.is_postgresql else raw
            with connection.begin():
                yield connection

    def lock_sequences(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
        """Lock these (trap, id) against other collectors until the transaction ends; SQLite has one writer anyway."""
        if self.is_postgresql:
            for trap, sequence in sorted(keys):
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{trap}/{sequence}"}
                )

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to this program's revision (or an older one); several collectors may start at once.

        Raises:
            StorageError: the database is not reachable, not writable, or newer than this program.
        """
        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self._alone(), self._transaction() as connection:
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
        """Return pages that deleted rows left free to the file system, a few megabytes at a time (SQLite).

        PostgreSQL does so by itself. A catalogue of release 0.1 uses them again instead: its file does not shrink.
        """
        if self.is_postgresql:
            return
        for _ in range(1000):
            with self.writing() as connection:
                free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
                if free <= KEPT_PAGES or not connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one():
                    return
                raw: Any = connection.connection.driver_connection
                raw.execute("PRAGMA incremental_vacuum(1000)").fetchall()  # a page a row

    @property
    def described(self) -> str:
        """The URL without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self.is_postgresql:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
                yield
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            return
        path = Path(f"{self.engine.url.database}.lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # For its owner alone, where it is created now; SQLite gives its log the same rights.
            os.close(os.open(path.with_suffix(""), os.O_CREAT | os.O_RDONLY, 0o600))
            lock = path.open("w")
        except OSError as error:
            raise StorageError(f"data folder {path.parent}: {error.strerror}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def catalogue_id(connection: Connection) -> str:
    """What tells this catalogue from all others; it stays when the catalogue is moved."""
    return str(connection.execute(select(facts.c.value).where(facts.c.name == CATALOGUE_ID)).scalar() or "")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().splitlines()[0]


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(make_url(url), pool_pre_ping=True, hide_parameters=True)  # errors name no places
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(f"database {url.rsplit('@', maxsplit=1)[-1]!r}: {_first_line(error)}") from error
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise ConfigurationError(f"database {engine.dialect.name!r}: expected sqlite or postgresql")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see `_begin_sqlite`
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
