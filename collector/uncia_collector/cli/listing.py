"""`uncia-collect list`: print the catalogue as a table or as JSON."""

import argparse
import sys

from uncia_collector.catalogue.listing import listing
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_contract.archive.json_array import write_json_array
from uncia_contract.messages.records import camera_name


def add_list(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `list`."""
    add_catalogue(command)
    command.add_argument("--json", action="store_true", help="one JSON array instead of a table")
    command.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    with open_catalogue(arguments) as database:
        found = listing(database)
        if arguments.json:
            write_json_array(sys.stdout, found)
            print()
            return 0
        print(f"{'started':20} {'trap':16} {'sequence':24} {'frames':>6} {'scored':>6} {'confidence':>10}  verdict")
        for row in found:
            print(_line(row))
    return 0


def _line(row: dict[str, object]) -> str:
    verdict = "test" if row["test"] else "positive" if row["positive"] else "negative"
    complete = "" if row["complete"] else f"  ({len(list(row['files']))} of {row['frames']} frames here)"  # type: ignore[call-overload]
    trap = camera_name(str(row["trap"]), str(row["camera"]))
    return (
        f"{str(row['started_at'])[:19]:20} {trap:16} {row['id']!s:24} {row['frames']!s:>6} "
        f"{row['frames_scored']!s:>6} {row['confidence']:>10.3f}  {verdict}{complete}"
    )
