"""Restores a station from a backup.

The rules:
#1 The target must not hold a catalogue; nothing is overwritten.
#2 Pictures are copied first, each compared with its sha256, and the catalogue last. So an interrupted restore leaves no
catalogue, and the same command starts it again.
#3 The catalogue of an older uncia is migrated.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from uncia_collector.backup.saving import CATALOGUE, Copied, pictures_of
from uncia_collector.backup.snapshot import load_catalogue
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import sequences, traps, users
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import sync_folder


def restore(folder: Path, database: Database, root: Path) -> Copied:
    """Restore the backup in `folder` into a new station: its `database`, and its data folder `root`.

    Returns how many pictures were copied, and which are missing or damaged.

    Raises:
        DataError: the backup is incomplete or damaged, or the new station holds a catalogue already.
        StorageError: the new station cannot be written.
    """
    saved = folder / CATALOGUE
    _check(saved)
    _check_empty(database)
    done = Copied()
    for path, sha256, _, _ in pictures_of(saved):
        done.pictures += 1
        done.add(folder, root, path, sha256)
    target = root / CATALOGUE if database.is_postgresql else Path(str(database.engine.url.database))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.with_name(f"{CATALOGUE}.restoring")
        shutil.copyfile(saved, copy)
        _migrate_copy(copy)
        os.sync()
        if database.is_postgresql:
            load_catalogue(copy, database)
            copy.unlink()
        else:
            copy.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}") from error
    return done


def _migrate_copy(copy: Path) -> None:
    """Migrate the catalogue (#3) and remove the files that SQLite leaves beside it."""
    database = Database(f"sqlite:///{copy.absolute()}")
    database.migrate()
    database.close()
    for beside in ("-wal", "-shm", ".lock"):
        Path(f"{copy}{beside}").unlink(missing_ok=True)


def _check(saved: Path) -> None:
    if not saved.is_file():
        raise DataError(f"{saved.parent}: holds no backup; expected {CATALOGUE} and frames, as `backup` leaves them")
    try:
        with closing(sqlite3.connect(f"file:{saved.absolute()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise DataError(f"{saved}: is damaged: {error}") from error
    if found != "ok":
        raise DataError(f"{saved}: is damaged: {str(found).splitlines()[0]}")


def _check_empty(database: Database) -> None:
    """Refuse a database that holds a catalogue (#1)."""
    if not database.is_postgresql:
        if Path(str(database.engine.url.database)).exists():
            raise DataError(f"{database.described}: holds a catalogue already; move it away, or restore elsewhere")
        return
    database.migrate()
    with database.reading() as connection:
        counted = {table.name: select(func.count()).select_from(table) for table in (sequences, traps, users)}
        held = [name for name, query in counted.items() if connection.execute(query).scalar_one()]
    if held:
        raise DataError(f"{database.described}: holds {' and '.join(held)} already; restore into an empty database")
