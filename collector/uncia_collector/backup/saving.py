"""Makes a backup: the catalogue as of one moment, and every picture that it names.

The rules:
#1 The catalogue is saved first. A picture is on the disk before the catalogue names it, so the backup is complete
although the station keeps running.
#2 Only pictures that the backup does not have are read: its former catalogue does not name them with the same sha256,
or the file in the backup has another size.
#3 The backup's catalogue is replaced last, when everything is on the disk. So an interrupted backup leaves the former
backup unchanged.
#4 A picture that is missing or differs from its sha256 is reported each time; the other pictures are still copied.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sqlalchemy.exc import DBAPIError

from uncia_collector.backup.snapshot import save_catalogue
from uncia_collector.catalogue.database import Database
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import sync_folder, write_atomic

CATALOGUE = "catalogue.sqlite"
_PICTURES = """
SELECT new.path, new.sha256, new.size, {known} FROM frames AS new {former}
WHERE new.status IN ('stored', 'quarantined') AND new.path IS NOT NULL ORDER BY new.trap, new.sequence, new.n
"""
_FORMER = (
    "LEFT JOIN former.frames AS old ON old.trap = new.trap AND old.sequence = new.sequence AND old.n = new.n "
    "AND old.path = new.path AND old.sha256 = new.sha256"
)


@dataclass
class Copied:
    """Counts the pictures of a backup or a restore, and lists those that are missing or damaged."""

    pictures: int = 0
    copied: int = 0
    copied_bytes: int = 0
    trouble: list[str] = field(default_factory=list)  # missing or damaged: path and why

    def add(self, source: Path, target: Path, path: str, sha256: str) -> None:
        """Copy the picture `path` from folder `source` to folder `target`, if it can be read (#4).

        Raises:
            StorageError: the copy cannot be written.
        """
        try:
            content = (source / path).read_bytes()
        except OSError as error:
            self.trouble.append(f"{path}: {error.strerror}")
            return
        if hashlib.sha256(content).hexdigest() != sha256:
            self.trouble.append(f"{path}: its sha256 differs from the catalogue's; copied as {path}.damaged")
            path += ".damaged"
        try:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(target / path, content)
        except OSError as error:
            raise StorageError(f"{target / path}: {error.strerror}") from error
        self.copied += 1
        self.copied_bytes += len(content)


def save(database: Database, root: Path, folder: Path) -> Copied:
    """Make or update the backup in `folder` of a catalogue and its data folder `root`; return what was copied.

    Raises:
        DataError: another backup is running in `folder`, or `folder` is the data folder.
        StorageError: the backup cannot be written.
    """
    if folder.exists() and root.exists() and folder.samefile(root):
        raise DataError(f"{folder}: is the data folder itself; expected a folder elsewhere, best on another disk")
    with _locked(folder):
        new = folder / f"{CATALOGUE}.new"
        new.unlink(missing_ok=True)
        _save_catalogue(database, new)  # #1
        done = Copied()
        for path, sha256, size, known in pictures_of(new, folder / CATALOGUE):
            done.pictures += 1
            if not known or not _has_size(folder / path, size):  # #2
                done.add(root, folder, path, sha256)
        os.sync()
        new.replace(folder / CATALOGUE)  # #3
        sync_folder(folder)
    return done


def _save_catalogue(database: Database, new: Path) -> None:
    try:
        save_catalogue(database, new)
    except (sqlite3.Error, DBAPIError, OSError) as error:
        new.unlink(missing_ok=True)
        raise StorageError(f"{new}: the catalogue cannot be saved: {str(error).splitlines()[0]}") from error


def pictures_of(catalogue: Path, former: Path | None = None) -> Iterator[tuple[str, str, int, bool]]:
    """Yield (path, sha256, size in bytes, known) of each picture that a saved catalogue names.

    `known` says that the `former` catalogue names the same picture with the same sha256.

    Raises:
        DataError: the file is not a catalogue, or it names a file outside the data folder.
    """
    try:
        with closing(sqlite3.connect(f"file:{catalogue.absolute()}?mode=ro", uri=True)) as connection:
            known, joined = "0", ""
            if former is not None and former.is_file():
                connection.execute("ATTACH ? AS former", (f"file:{former.absolute()}?mode=ro",))
                known, joined = "old.n IS NOT NULL", _FORMER
            for path, sha256, size, had in connection.execute(_PICTURES.format(known=known, former=joined)):
                if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                    raise DataError(
                        f"{catalogue}: names {path[:80]!r}, a file outside the data folder; somebody changed it"
                    )
                yield path, sha256, size, bool(had)
    except sqlite3.Error as error:
        raise DataError(f"{catalogue}: is no catalogue of a backup: {error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{folder}: another backup is running there; wait until it ends") from error
        yield


def _has_size(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except OSError:
        return False
