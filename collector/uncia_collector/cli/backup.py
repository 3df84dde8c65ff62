"""`uncia-collect backup` and `restore`: a copy of the station, and a station of a copy."""

import argparse
import sys
from pathlib import Path

from uncia_collector.backup.restoring import restore
from uncia_collector.backup.saving import Copied, save
from uncia_collector.catalogue.database import Database
from uncia_collector.cli.catalogue_option import add_catalogue, catalogue_url
from uncia_collector.settings import read_settings
from uncia_contract.errors import DataError
from uncia_contract.files import private_files

NAMED = 10


def add_backup(command: argparse.ArgumentParser) -> None:
    """The arguments of `backup`."""
    command.add_argument("folder", type=Path, metavar="DIR", help="where the backup is, or will be: on another disk")
    add_catalogue(command)
    command.set_defaults(run=_backup)


def add_restore(command: argparse.ArgumentParser) -> None:
    """The arguments of `restore`."""
    command.add_argument("folder", type=Path, metavar="DIR", help="a backup")
    add_catalogue(command)
    command.set_defaults(run=_restore)


@private_files()
def _backup(arguments: argparse.Namespace) -> int:
    root = _root(arguments)
    database = Database(catalogue_url(arguments))
    try:
        database.migrate()
        done = save(database, root, arguments.folder)
    finally:
        database.close()
    return _told(arguments.folder, done)


@private_files()
def _restore(arguments: argparse.Namespace) -> int:
    root = _root(arguments)
    database = Database(catalogue_url(arguments, create=True))
    try:
        done = restore(arguments.folder, database, root)
    finally:
        database.close()
    return _told(root, done)


def _told(where: Path, done: Copied) -> int:
    """Say what was done; 1 where pictures are missing or damaged."""
    for line in done.trouble[:NAMED]:
        print(line, file=sys.stderr)
    if len(done.trouble) > NAMED:
        print(f"... and {len(done.trouble) - NAMED} more", file=sys.stderr)
    missing = f"; {len(done.trouble)} are missing or damaged" if done.trouble else ""
    print(f"{where}: catalogue and {done.pictures} pictures, {done.copied} copied ({done.copied_bytes} bytes){missing}")
    return 1 if done.trouble else 0


def _root(arguments: argparse.Namespace) -> Path:
    root = read_settings(arguments.config).folder if arguments.config else arguments.data
    if root is None:
        raise DataError("where are the pictures? expected --config TOML or --data DIR")
    return Path(root)
