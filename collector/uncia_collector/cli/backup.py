"""`uncia-collect backup` and `restore`: copy the station to another disk, and make a station from such a copy."""

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

MOST_NAMED = 10  # missing or damaged pictures that are printed by name


def add_backup(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup`."""
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder of the backup, on another disk")
    add_catalogue(command)
    command.set_defaults(run=_backup)


def add_restore(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `restore`."""
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder of the backup")
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
    return _report(arguments.folder, done)


@private_files()
def _restore(arguments: argparse.Namespace) -> int:
    root = _root(arguments)
    database = Database(catalogue_url(arguments, create=True))
    try:
        done = restore(arguments.folder, database, root)
    finally:
        database.close()
    return _report(root, done)


def _report(where: Path, done: Copied) -> int:
    """Print what was done; the exit code, 1 if pictures are missing or damaged."""
    for line in done.trouble[:MOST_NAMED]:
        print(line, file=sys.stderr)
    if len(done.trouble) > MOST_NAMED:
        print(f"... and {len(done.trouble) - MOST_NAMED} more", file=sys.stderr)
    missing = f"; {len(done.trouble)} are missing or damaged" if done.trouble else ""
    print(f"{where}: catalogue and {done.pictures} pictures, {done.copied} copied ({done.copied_bytes} bytes){missing}")
    return 1 if done.trouble else 0


def _root(arguments: argparse.Namespace) -> Path:
    root = read_settings(arguments.config).folder if arguments.config else arguments.data
    if root is None:
        raise DataError("the folder of the pictures is not named; expected --config TOML or --data DIR")
    return Path(root)
