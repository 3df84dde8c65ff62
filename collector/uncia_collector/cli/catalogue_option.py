"""The options `--config`, `--data` and `--database`, and how a command opens the catalogue that they name."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.events.settling import set_independence
from uncia_collector.catalogue.review import applied_checklist, apply_checklist
from uncia_collector.settings import CollectorSettings, read_settings, sqlite_url
from uncia_contract.errors import DataError


def add_catalogue(command: argparse.ArgumentParser) -> None:
    """Add `--config`, `--data` and `--database`."""
    command.add_argument("--config", type=Path, metavar="TOML", help="the collector's configuration, or ...")
    command.add_argument("--data", type=Path, metavar="DIR", help="... the data folder, or ...")
    command.add_argument("--database", default="", metavar="URL", help="... the catalogue, where it is not in DIR")


@contextmanager
def open_catalogue(arguments: argparse.Namespace, create: bool = False) -> Iterator[Database]:
    """Open and migrate the catalogue that the options name; closed at the end of the `with` block.

    With `--config`, the configuration's checklist and event gap are applied to it.

    Raises:
        DataError: no option names a catalogue, or the data folder holds none and `create` is False.
    """
    settings = read_settings(arguments.config) if arguments.config else None
    database = Database(catalogue_url(arguments, create))
    database.migrate()
    try:
        # Without a configuration the station's own species list is unknown: keep the checklist that `serve` applied.
        if settings or not applied_checklist(database):
            apply_checklist(database, (settings or CollectorSettings()).checklist())
        if settings:
            with database.writing() as connection:
                set_independence(connection, settings.event_minutes)
        yield database
    finally:
        database.close()


def catalogue_url(arguments: argparse.Namespace, create: bool = False) -> str:
    """The SQLAlchemy URL of the catalogue that the options name.

    Raises:
        DataError: see `open_catalogue`.
    """
    if arguments.config:
        return read_settings(arguments.config).database_url
    if not (arguments.data or arguments.database):
        raise DataError("no catalogue is named; expected --config TOML, --data DIR or --database URL")
    if not create and not arguments.database and not (arguments.data / "catalogue.sqlite").is_file():
        raise DataError(f"{arguments.data}: holds no catalogue.sqlite; is it a collector's data folder?")
    return str(arguments.database or sqlite_url(arguments.data))
