"""`uncia-collect effort`: write how long traps worked, and detection histories, as CSV."""

import argparse
from datetime import UTC, date, datetime
from pathlib import Path

from uncia_collector.catalogue.filters import night_of
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_collector.effort.nights import DAY
from uncia_collector.effort.tables import TABLES, Wanted, effort_csv
from uncia_collector.settings import CollectorSettings, read_settings
from uncia_contract.errors import StorageError
from uncia_contract.files import write_atomic


def add_effort(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `effort`."""
    command.add_argument("kind", choices=list(TABLES))
    command.add_argument("--out", type=Path, required=True, metavar="CSV")
    command.add_argument("--since", type=date.fromisoformat, metavar="DATE", help="first night (90 before the last)")
    command.add_argument(
        "--until", type=date.fromisoformat, metavar="DATE", help="last night (the last one that has ended)"
    )
    command.add_argument("--label", default="", help="only sightings of this label (default: all)")
    command.add_argument("--days", type=int, default=7, metavar="N", help="nights in one occasion (7)")
    add_catalogue(command)
    command.set_defaults(run=_effort)


def _effort(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    settings = read_settings(arguments.config) if arguments.config else CollectorSettings()
    now = datetime.now(UTC)
    last = arguments.until or night_of(now, settings.zone) - DAY
    wanted = Wanted(arguments.since or last - 89 * DAY, last, settings.zone, arguments.label, arguments.days)
    with open_catalogue(arguments) as database:
        try:
            with database.reading() as connection:
                text = effort_csv(connection, arguments.kind, wanted, now)
            write_atomic(out, text.encode())
        except OSError as error:
            raise StorageError(f"{out}: {error.strerror}") from error
    print(f"{out}: {text.count(chr(10)) - 1} lines, nights {wanted.first} to {wanted.last} of {settings.time_zone}")
    return 0
