"""Reads where the traps stand from Camtrap DP's deployments.csv.

Decides what of that table the catalogue keeps: `cameraID` is the trap; where it is empty, `deploymentID` is.
"""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import YEARS, deployments
from uncia_collector.catalogue.sql import upsert
from uncia_contract.errors import DataError


def read_deployments(path: Path, database: Database) -> int:
    """Store the deployments of a Camtrap DP `deployments.csv` (or of the folder that holds one); how many.

    Raises:
        DataError: not such a table; the line and column are named.
    """
    path = path / "deployments.csv" if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [deployment_row(line, number, path) for number, line in enumerate(csv.DictReader(file), start=2)]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    with database.writing() as connection:
        for row in rows:
            connection.execute(upsert(connection, deployments, row, ["id"], [name for name in row if name != "id"]))
    return len(rows)


def deployment_row(line: Mapping[str, str | None], number: int, path: Path) -> dict[str, Any]:
    """A line of the table as a row of the catalogue.

    Raises:
        DataError: a column is missing or wrong.
    """
    try:
        latitude, longitude = float(line["latitude"] or ""), float(line["longitude"] or "")
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise ValueError(f"({latitude}, {longitude}) is not on Earth")
        return {
            "id": (line["deploymentID"] or "")[:64],
            "trap": (line.get("cameraID") or line["deploymentID"] or "")[:64],
            "location_id": (line.get("locationID") or line["deploymentID"] or "")[:64],
            "location_name": (line.get("locationName") or "")[:255],
            "latitude": latitude,
            "longitude": longitude,
            "uncertainty_m": _meters(line.get("coordinateUncertainty")),
            "started_at": moment(line["deploymentStart"]),
            "ended_at": moment(line["deploymentEnd"]) if line.get("deploymentEnd") else None,
            "setup_by": (line.get("setupBy") or "")[:255],
            "camera_model": (line.get("cameraModel") or "")[:255],
            "comments": (line.get("deploymentComments") or "")[:1000],
        }
    except (KeyError, ValueError, OverflowError) as error:
        what = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}, line {number}: {what}; expected Camtrap DP's deployments.csv") from error


def _meters(text: str | None) -> int | None:
    value = int(text or 0)
    if not 0 <= value <= 10_000_000:
        raise ValueError(f"coordinateUncertainty {value} m: expected 1 to 10000000")
    return value or None


def moment(text: str | None) -> datetime:
    """A time in ISO 8601, as the standard writes it, as aware UTC.

    Raises:
        ValueError: it is not a time, or its year is out of range.
    """
    time = datetime.fromisoformat(text or "")
    if time.year not in YEARS:
        raise ValueError(f"year {time.year}: expected {YEARS[0]} to {YEARS[-1]}")
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
