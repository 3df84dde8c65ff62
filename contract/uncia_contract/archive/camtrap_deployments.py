"""Reads Camtrap DP's deployments.csv: where and when a camera stood.

Decides which columns are read and which values are refused. `cameraID` names the trap; where it is empty,
`deploymentID` does. A time without an offset is in UTC, or in the zone that the caller gives. `01.09.2026` is the first
of September; `01/09/2026` is refused, because it is another day in other countries.
"""

import csv
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from uncia_contract.errors import DataError

_DOTTED = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?:[ ,T]+(?P<time>\d.*))?", re.DOTALL)

YEARS = range(2, 9999)  # one year less than datetime's range on both sides, so that a change of zone does not leave it


def read_deployment_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a `deployments.csv`, each with its line number (from 2) and its values by column.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [*enumerate(csv.DictReader(file), start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return [(number, {name: value or "" for name, value in line.items() if name}) for number, line in lines]


def deployment_row(line: Mapping[str, str | None], number: int, path: Path, zone: tzinfo = UTC) -> dict[str, Any]:
    """The values of one row, converted to numbers and aware UTC times.

    Args:
        line: the row's texts by column.
        number: the row's line number, for messages.
        path: the file, for messages.
        zone: the zone of times without an offset.

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
            "started_at": moment(line["deploymentStart"], zone),
            "ended_at": moment(line["deploymentEnd"], zone) if line.get("deploymentEnd") else None,
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


def moment(text: str | None, zone: tzinfo = UTC) -> datetime:
    """An aware UTC datetime from a text in ISO 8601 or in the form `01.09.2026 14:30`.

    `zone` is the zone of a text without an offset.

    Raises:
        ValueError: it is not a time, or its year is out of range.
    """
    try:
        time = datetime.fromisoformat(_DOTTED.sub(_as_iso, (text or "").strip()))
    except ValueError as error:
        raise ValueError(
            f"{(text or '')[:40]!r}: expected a time such as 2026-09-01T14:30:00+05:00, 2026-09-01 or 01.09.2026 14:30"
        ) from error
    if time.year not in YEARS:
        raise ValueError(f"year {time.year}: expected {YEARS[0]} to {YEARS[-1]}")
    return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)


def _as_iso(match: re.Match[str]) -> str:
    date = f"{match['year']}-{match['month']:0>2}-{match['day']:0>2}"
    time = match["time"] or ""
    return f"{date}T{'0' if time[1:2] == ':' else ''}{time}" if time else date
