"""`uncia-collect deployments`: take in where the traps stand."""

import argparse
from pathlib import Path

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue


def add_deployments(command: argparse.ArgumentParser) -> None:
    """The arguments of `deployments`."""
    command.add_argument("file", type=Path, metavar="CSV_OR_DIR")
    add_catalogue(command)
    command.set_defaults(run=_deployments)


def _deployments(arguments: argparse.Namespace) -> int:
    with open_catalogue(arguments, create=True) as database:
        print(f"{read_deployments(arguments.file, database)} deployments")
    return 0
