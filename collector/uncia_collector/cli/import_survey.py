"""`uncia-collect import`: add another team's survey (a Camtrap DP package) to the catalogue."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.settings import CollectorSettings, read_settings
from uncia_contract.cli.arguments import ZONE_HELP, zone
from uncia_contract.errors import DataError


def add_import(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `import`."""
    command.add_argument(
        "package", type=Path, metavar="PACKAGE", help="the package: its folder, datapackage.json or zip"
    )
    command.add_argument("--utc-offset", type=zone, metavar="ZONE", help=ZONE_HELP)
    add_catalogue(command)
    command.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config) if arguments.config else None
    root = settings.folder if settings else arguments.data
    if root is None:
        raise DataError("the folder for the pictures is not named; expected --config TOML or --data DIR")
    folder = FrameFolder(root, settings.min_free_bytes if settings else 0)
    with (
        CamtrapPackage(arguments.package, arguments.utc_offset) as package,
        open_catalogue(arguments, create=True) as database,
    ):
        if package.zone_note:
            print(package.zone_note, file=sys.stderr)
        taxa = (settings or CollectorSettings()).checklist()
        counts = SurveyImport(package, database, folder, datetime.now(UTC), taxa).run()
        print(f"{package.title}: {counts.summary}")
    return 0
