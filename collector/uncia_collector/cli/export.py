"""`uncia-collect export`: write the catalogue as a file for other programs."""

import argparse
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

from uncia_collector.catalogue.access import log
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_collector.exports.kinds import KINDS, Request, export, foreseen
from uncia_collector.settings import CollectorSettings, read_settings
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import replacing


def add_export(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    command.add_argument("kind", choices=list(KINDS))
    command.add_argument("--out", type=Path, required=True, metavar="FILE")
    command.add_argument(
        "--exact", action="store_true", help="write exact coordinates (default: rounded to 0.1 degree)"
    )
    command.add_argument("--pictures", action="store_true", help="put the pictures inside the file (camtrap-dp)")
    command.add_argument("--people", action="store_true", help="export pictures that show people, too")
    add_catalogue(command)
    command.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    with open_catalogue(arguments) as database:
        settings = read_settings(arguments.config) if arguments.config else CollectorSettings()
        root = settings.folder if arguments.config else (arguments.data or out.parent)
        if arguments.pictures and arguments.kind != "camtrap-dp":
            raise DataError(f"export {arguments.kind} --pictures: only camtrap-dp can hold pictures; leave it out")
        try:
            with database.reading() as connection, replacing(out) as stream:
                request = Request(
                    connection, settings.station, root, datetime.now(UTC), arguments.exact, out.absolute().parent,
                    arguments.pictures, settings.checklist(), settings.zone, people=arguments.people,
                    has_pictures=bool(arguments.config or arguments.data),
                )  # fmt: skip
                if (coming := foreseen(arguments.kind, request)) is not None:
                    print(f"{arguments.kind}: will hold {coming.summary}", file=sys.stderr)
                held = export(arguments.kind, request, stream)
        except OSError as error:
            raise StorageError(f"{out}: {error.strerror}") from error
        if arguments.exact:
            now, user = datetime.now(UTC), getpass.getuser()
            log.record(database, "exact export", user, log.COMMAND_LINE, now, f"{arguments.kind}: {out}")
    print(f"{out}: {out.stat().st_size} bytes{': ' + held.summary if held else ''}")
    return 0
