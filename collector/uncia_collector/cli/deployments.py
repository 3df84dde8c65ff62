"""`uncia-collect deployments`: read, list and remove the deployments of traps, and correct their clocks."""

import argparse
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from uncia_collector.catalogue.clocks.correction import difference, shift_by_picture, shift_clock, words_of
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.deployments import read_deployments, remove_deployment
from uncia_collector.catalogue.schema import deployments
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_contract.archive.camtrap_deployments import moment
from uncia_contract.errors import DataError

WORDS = "CSV_OR_DIR, or: list, shift ID, remove ID"


def add_deployments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `deployments`."""
    command.add_argument("words", nargs="+", metavar="CSV_OR_DIR | list | shift ID | remove ID")
    command.add_argument(
        "--by", metavar="DIFFERENCE", help="shift: how far the clock was behind, such as 2h; --by=-1d3h: it was ahead"
    )
    command.add_argument("--picture", metavar="SEQUENCE", help="shift: a sequence whose true start you know ...")
    command.add_argument(
        "--taken-at", metavar="TIME", help="... and that start: 2026-09-01T14:30+05:00 (UTC without an offset)"
    )
    add_catalogue(command)
    command.set_defaults(run=_deployments)


def _deployments(arguments: argparse.Namespace) -> int:
    words: list[str] = arguments.words
    with open_catalogue(arguments, create=True) as database:
        match words:
            case ["list"]:
                _list(database)
            case ["shift", deployment]:
                _shift(database, deployment, arguments)
            case ["remove", deployment]:
                remove_deployment(database, deployment)
                print(f"{deployment}: removed")
            case [file]:
                print(f"{read_deployments(Path(file), database)} deployments")
            case _:
                raise DataError(f"deployments {' '.join(words)}: expected {WORDS}")
    return 0


def _list(database: Database) -> None:
    with database.reading() as connection:
        rows = connection.execute(select(deployments).order_by(deployments.c.trap, deployments.c.started_at)).all()
    print(f"{'deployment':24} {'trap':16} {'start (UTC)':16} {'end (UTC)':16} clock corrected by")
    for row in rows:
        end = "" if row.ended_at is None else f"{row.ended_at:%Y-%m-%d %H:%M}"
        shift = words_of(timedelta(seconds=row.clock_shift_s)) if row.clock_shift_s else ""
        print(f"{row.id:24} {row.trap:16} {row.started_at:%Y-%m-%d %H:%M} {end:16} {shift}".rstrip())


def _shift(database: Database, deployment: str, arguments: argparse.Namespace) -> None:
    by, picture, taken_at = arguments.by, arguments.picture, arguments.taken_at
    if by and not (picture or taken_at):
        done = shift_clock(database, deployment, difference(by))
    elif picture and taken_at and not by:
        done = shift_by_picture(database, deployment, picture, _time(taken_at))
    else:
        raise DataError(
            "deployments shift: expected either --by DIFFERENCE, or --picture SEQUENCE with --taken-at TIME"
        )
    print(f"{deployment}: {done.summary}")


def _time(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise DataError(f"--taken-at {error}") from error
