"""The trap's SQLite file: opens it durably, and sets it aside when it is damaged.

Decides pragmas, schema and what counts as damage; `store` decides what the rows mean. WAL with synchronous=FULL lost
nothing in 1,146 replayed power cuts; synchronous=NORMAL lost acknowledged rows in 752 of 1,149.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uncia_contract.errors import StorageError
from uncia_contract.files import sync_folder

Value = str | int | bytes | None

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE sequence (
    n INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'parked', 'delivered', 'dropped')),
    stage INTEGER NOT NULL,               -- what to send next: 0 record, 1 best frame, 2 the other frames
    priority INTEGER NOT NULL,            -- 0 first
    positive INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    bytes INTEGER NOT NULL,               -- of the frames on disk
    record BLOB NOT NULL,
    first_frame TEXT NOT NULL,            -- sha256: recognises a burst that is offered again after a crash
    stored TEXT NOT NULL DEFAULT '[]',    -- frames that a receipt of the collector named as stored
    dropped TEXT NOT NULL DEFAULT '[]',   -- frames given up because the card was full or their files were lost
    strikes INTEGER NOT NULL DEFAULT 0,   -- failed attempts in a row for which the link was not the cause
    historical INTEGER NOT NULL DEFAULT 0,
    reason TEXT                           -- why it is parked or dropped
) STRICT;
CREATE INDEX sequence_order ON sequence (state, stage, priority, n);
CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE identity (installation TEXT NOT NULL) STRICT;
"""


class Database:
    """The database at `path`: created if absent, set aside and created again if damaged.

    One connection serves all threads, behind `lock`.

    Attributes:
        fresh: no identity was stored yet: the table is new.
        set_aside: the damaged file that this database replaces; None if there was none.
        damaged: a statement found damage; the next opening will set the file aside.

    Args:
        path: the SQLite file; its folder must exist.
        synchronous: SQLite's setting. Only the power-cut test uses NORMAL, to prove that it can fail.

    Raises:
        StorageError: it can neither be opened nor created (full, read-only or failing card).
    """

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self.path, self.lock = path, threading.RLock()
        self.set_aside: Path | None = None
        self.damaged = False
        self._pending: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        try:
            if path.exists() and not _sound(path):
                self.set_aside = _set_aside(path)
            self._connection = _connect(path, synchronous)
            _ensure_schema(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"outbox {path}: {error}; check that the card is writable and not full") from error
        self.fresh = not self.all("SELECT 1 FROM identity")

    def all(self, statement: str, *values: Value) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises:
            StorageError: the card or the file failed.
        """
        with self.lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._storage_error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all changes of the block durably, or none of them.

        Raises:
            StorageError: the card is full, read-only or failing.
        """
        with self.lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                for name, amount in self._pending.items():
                    bump(self._connection, name, amount)
                self._connection.executemany("INSERT OR REPLACE INTO total VALUES (?, ?)", self._noted.items())
                self._connection.execute("COMMIT")
                self._pending.clear()
                self._noted.clear()
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._storage_error(error) from error
                raise

    def change(self, statement: str, *values: Value) -> int:
        """Execute one statement as a transaction; return how many rows it changed."""
        with self.transaction() as connection:
            return connection.execute(statement, values).rowcount

    def count(self, name: str, amount: int) -> None:
        """Add to a total. It is written with the next transaction: a power cut may lose the last few counts."""
        with self.lock:
            self._pending[name] = self._pending.get(name, 0) + amount

    def note(self, name: str, value: int) -> None:
        """Set a number beside the totals. It is also written with the next transaction."""
        with self.lock:
            self._noted[name] = value

    def totals(self) -> dict[str, int]:
        """All totals and noted numbers, also those not written yet."""
        with self.lock:
            stored = {str(name): int(value) for name, value in self.all("SELECT name, value FROM total")}
            for name, amount in self._pending.items():
                stored[name] = stored.get(name, 0) + amount
            return stored | self._noted

    def _storage_error(self, error: sqlite3.Error) -> StorageError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
        self.damaged = self.damaged or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return StorageError(f"outbox {self.path}: {error}")

    def close(self) -> None:
        """Write pending totals if the card can be written, and close."""
        with self.lock:
            try:
                if self._pending or self._noted:
                    with self.transaction():
                        pass
            finally:
                self._connection.close()


def bump(connection: sqlite3.Connection, name: str, amount: int) -> int:
    """Add to a stored total within a transaction; return its new value."""
    connection.execute(
        "INSERT INTO total VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (name, amount),
    )
    (value,) = connection.execute("SELECT value FROM total WHERE name=?", (name,)).fetchone()
    return int(value)


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint=250")
    connection.execute("PRAGMA cache_size=-512")  # kB; by default it grows to 2 MB over thousands of sequences
    connection.execute("PRAGMA journal_size_limit=4194304")
    return connection


def _ensure_schema(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise StorageError(f"outbox: schema {version} is newer than this program's {SCHEMA_VERSION}; update uncia")
    # One transaction: a power cut leaves either no table or all of them.
    connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")


def _sound(path: Path) -> bool:
    """Whether the file is an intact SQLite database with our tables, or an empty one, as a power cut may leave it."""
    try:
        connection = sqlite3.connect(path, timeout=10.0)
    except sqlite3.Error:
        return False
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return False
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA_VERSION:
            connection.execute("SELECT n FROM sequence LIMIT 1").fetchone()
            connection.execute("SELECT installation FROM identity").fetchone()
        return True
    except sqlite3.DatabaseError as error:
        if (
            isinstance(error, sqlite3.OperationalError)
            and "malformed" not in str(error)
            and "no such" not in str(error)
        ):
            raise  # a disk error says nothing about the database
        return False
    finally:
        connection.close()


def _set_aside(path: Path) -> Path:
    """Rename a damaged database and its journal, so that nothing is deleted; return the new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        journal = path.with_name(path.name + suffix)
        if journal.exists():
            journal.rename(aside.with_name(aside.name + suffix))
    sync_folder(path.parent)
    return aside
