"""Camtrap DP packages (camtrap-dp.tdwg.org): deployments, media and observations as CSV.

Decides how they become labelled pictures: an event is a sequence, a deployment's location (else the deployment) is the
place, the scientific name is the label (`blank` and other observation types by their own name). An observation of an
event labels all its media; one of a single medium wins over it. Media that are no JPEGs, that nobody observed, or whose
observation is `unclassified` or `unknown` are left out.
"""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from uncia_contract.datasets.strongest_label import strongest
from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture

DATAPACKAGE = "datapackage.json"
_UNTOLD = {"unclassified", "unknown", ""}
Row = dict[str, str]


def read_camtrap_dp(folder: Path, positive: Sequence[str] = ()) -> list[LabelledPicture]:
    """The labelled pictures of a package whose media lie beside it.

    A positive label may be written with an underscore for a space: `Panthera_uncia`.

    Raises:
        DataError: a table is missing or lacks a column; no picture of it is observed.
    """
    name = _package_name(folder)
    places = {row["deploymentID"]: row for row in _rows(folder, "deployments", ("deploymentID",))}
    observations = _rows(folder, "observations", ("deploymentID", "mediaID", "eventID", "observationType"))
    media = _rows(folder, "media", ("mediaID", "deploymentID", "timestamp", "filePath", "fileMediatype"))
    own, events = _observed(observations, positive)
    pictures = []
    for row in media:
        event = own[row["mediaID"]][1] if row["mediaID"] in own else _event_of(row, events)
        labels = own[row["mediaID"]][0] if row["mediaID"] in own else events.get(event, ([], "", ""))[0]
        if labels and row["fileMediatype"] in ("image/jpeg", "image/jpg"):
            pictures.append(_picture(folder, row, strongest(labels, positive), event, places, name))
    if not pictures:
        raise DataError(f"{folder}: none of {len(media)} media is a JPEG with an observation that names what it shows")
    return pictures


def _package_name(folder: Path) -> str:
    try:
        return str(msgspec.json.decode((folder / DATAPACKAGE).read_bytes()).get("name", folder.name))
    except (OSError, msgspec.DecodeError, AttributeError) as error:
        raise DataError(f"{folder / DATAPACKAGE}: {error}; expected a Camtrap DP package") from error


def _rows(folder: Path, table: str, columns: Sequence[str]) -> list[Row]:
    path = folder / f"{table}.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(text)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}; a Camtrap DP package has deployments, media and observations.csv") from error
    lacking = [column for column in columns if rows and column not in rows[0]]
    if lacking or not rows:
        raise DataError(f"{path}: {'no rows' if not rows else f'no column {lacking[0]}'}; expected Camtrap DP 1.0")
    return rows


Event = tuple[list[str], str, str]


def _observed(
    observations: Sequence[Row], positive: Sequence[str]
) -> tuple[dict[str, tuple[list[str], str]], dict[str, Event]]:
    """Labels and event of each medium observed by itself; labels, deployment and span of each event."""
    own: dict[str, tuple[list[str], str]] = {}
    events: dict[str, Event] = {}
    for row in observations:
        label = _label(row, positive)
        if label in _UNTOLD:
            continue
        if row["mediaID"]:
            own.setdefault(row["mediaID"], ([], row["eventID"]))[0].append(label)
        else:
            span = f"{row.get('eventStart', '')}|{row.get('eventEnd', '')}"
            events.setdefault(row["eventID"], ([], row["deploymentID"], span))[0].append(label)
    return own, events


def _label(row: Row, positive: Sequence[str]) -> str:
    if row["observationType"] != "animal":
        return row["observationType"]
    name = row.get("scientificName", "") or "animal"
    return next((label for label in positive if label.replace("_", " ") == name), name)


def _event_of(medium: Row, events: dict[str, Event]) -> str:
    """The event whose deployment and span hold the medium; "" where there is none."""
    time = _time(medium["timestamp"])
    for event, (_, deployment, span) in events.items():
        start, _, end = span.partition("|")
        first, last = _time(start), _time(end)
        if deployment == medium["deploymentID"] and time and first and last and first <= time <= last:
            return event
    return ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else None


def _picture(folder: Path, row: Row, label: str, event: str, places: dict[str, Row], source: str) -> LabelledPicture:
    remote = "://" in row["filePath"]
    file = row.get("fileName") or Path(row["filePath"]).name if remote else row["filePath"]
    deployment = places.get(row["deploymentID"], {})
    return LabelledPicture(
        file=file,
        path=folder / file,
        label=label,
        sequence=event,
        location=deployment.get("locationID") or row["deploymentID"],
        datetime=row["timestamp"],
        source=source,
    )
