"""CPU seconds for reading a Camtrap DP package of 2,000 to 20,000 events, for training and for import.

    python benchmarks/camtrap_reader.py

The package is the slowest kind to read: one deployment, events of three pictures that no observation names, so that
each must be found by its time, and one event as long as the deployment. The pictures do not exist; import counts them
as missing.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.settings import sqlite_url
from uncia_contract.datasets.camtrap_labels import read_camtrap_dp

START = datetime(2026, 1, 1, tzinfo=UTC)
DESCRIBED = (
    '{"profile": "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/camtrap-dp-profile.json", "name": "n"}'
)


def write_package(folder: Path, events: int) -> None:
    """Write a deployment with that many events, ten minutes apart."""
    end = f"{START + timedelta(minutes=10 * events):%Y-%m-%dT%H:%M:%SZ}"
    media, said = [], []
    for number in range(events):
        times = [START + timedelta(minutes=10 * number, seconds=2 * second) for second in range(3)]
        texts = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times]
        media += [f"m{number}-{n},d,{text},media/{number}-{n}.jpg,image/jpeg" for n, text in enumerate(texts)]
        said.append(f"o{number},d,,e{number},{texts[0]},{texts[2]},event,animal,Vulpes vulpes,human")
    said.append(f"o,d,,whole,2026-01-01T00:00:00Z,{end},event,blank,,human")
    tables = {
        "deployments": [
            "deploymentID,latitude,longitude,deploymentStart,deploymentEnd",
            f"d,37,73,2026-01-01T00:00:00Z,{end}",
        ],
        "media": ["mediaID,deploymentID,timestamp,filePath,fileMediatype", *media],
        "observations": [
            "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,"
            "scientificName,classificationMethod",
            *said,
        ],
    }
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "datapackage.json").write_text(DESCRIBED)


def spent(work: Callable[[], object]) -> float:
    """The CPU seconds of one call."""
    before = time.process_time()
    work()
    return time.process_time() - before


def read_for_import(package: Path) -> None:
    """Read the package and cut it into events, without writing to a catalogue."""
    with CamtrapPackage(package) as read:
        assert sum(1 for _ in read.events("d"))


def import_package(package: Path, station: Path) -> None:
    """Import the package into a new catalogue."""
    database = Database(sqlite_url(station))
    database.migrate()
    with CamtrapPackage(package) as read:
        SurveyImport(read, database, FrameFolder(station), START).run()
    database.close()


def main() -> None:
    """Print a line for each number of events."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[2000, 5000, 20000])
    parser.add_argument("--no-import", action="store_true", help="only read, without a catalogue")
    arguments = parser.parse_args()
    for events in arguments.events:
        with tempfile.TemporaryDirectory() as name:
            package, station = Path(name, "package"), Path(name, "station")
            package.mkdir()
            station.mkdir()
            write_package(package, events)
            line = f"{events} events: training {spent(lambda: read_camtrap_dp(package)):.2f} s"  # noqa: B023
            line += f", read for import {spent(lambda: read_for_import(package)):.2f} s"  # noqa: B023
            if not arguments.no_import:
                line += f", whole import {spent(lambda: import_package(package, station)):.2f} s"  # noqa: B023
            print(line, flush=True)


if __name__ == "__main__":
    main()
