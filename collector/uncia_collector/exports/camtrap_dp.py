"""Writes a Camtrap DP 1.0 package (https://camtrap-dp.tdwg.org) as a zip.

Decides how our words become the standard's: #1 each sequence has a machine's and, once reviewed, a person's observation
of its event (`catalogue.events`); #2 each scored frame is a media observation whose box is the region that was scored;
#3 what the model rejected is a blank, so that effort is known; #4 sequences outside every deployment are left out and
counted; #6 a test sighting is the setting up of the camera and, until a person says otherwise, unclassified;
#5 of an imported survey its own rows are written again, and what people here said of them.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection

from uncia_collector.catalogue.events.settling import independence
from uncia_collector.catalogue.regions import region_of
from uncia_collector.exports.imported_surveys import ImportedSurveys
from uncia_collector.exports.sequences import (
    COARSE_DEGREES,
    EMPTY_LABELS,
    ExportedSequence,
    Place,
    exported_sequences,
    media_id,
    places,
)
from uncia_collector.exports.strip_locations import strip_location
from uncia_contract.archive.camtrap_tables import BASE, Row, bounds, box, machine_answer, resource, write_table
from uncia_contract.archive.species import SPECIES
from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.errors import DataError, FrameError

_SCIENTIFIC = re.compile(r"[A-Z][a-z]+( [a-z-]+){0,2}")


def write_camtrap_dp(
    connection: Connection,
    stream: BinaryIO,
    station: str,
    now: datetime,
    exact: bool = False,
    pictures: Path | None = None,
) -> tuple[int, int]:
    """Write the package; how many sequences are in it, and how many were left out (#4).

    Args:
        connection: to the catalogue.
        stream: takes the zip.
        station: the package's title.
        now: the end of deployments that go on.
        exact: whether coordinates, names of places and the pictures' whole headers are written.
        pictures: the data folder, where the pictures are wanted inside the package.

    Raises:
        DataError: no deployments are known: the standard wants to know where and how long.
    """
    found = places(connection, exact)
    if not found:
        raise DataError("Camtrap DP: no deployments are known; add them with `uncia-collect deployments FILE.csv`")
    tables = _Tables(connection, exact)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        _write(package, "media", tables.media())
        _write(package, "observations", tables.observations())
        _write(package, "deployments", (tables.deployment(place, now) for place in found))
        if pictures is not None:
            tables.write_pictures(package, pictures)
        description = _package(found, tables, station, now, exact)
        package.writestr("datapackage.json", json.dumps(description, indent=2))
    return tables.kept, tables.left_out


def _write(package: zipfile.ZipFile, name: str, rows: Iterable[Row]) -> None:
    with package.open(f"{name}.csv", "w") as member:
        write_table(member, COLUMNS[name], rows)


class _Tables:
    """The package's tables, each one pass over the catalogue; what the description needs is counted on the way."""

    def __init__(self, connection: Connection, exact: bool) -> None:
        self.connection, self.exact = connection, exact
        self.kept = self.left_out = self.unreadable = 0
        self.surveys = ImportedSurveys(connection, exact)
        self.independence = independence(connection) // timedelta(minutes=1)
        self.species: set[str] = set()
        self.methods = {"activityDetection"}
        self.unsure: set[str] = set()  # deployments some of whose clocks were not synchronised

    def media(self) -> Iterator[Row]:
        for item in exported_sequences(self.connection, self.exact):
            if item.place is None:  # #4
                self.left_out += 1
                continue
            self.kept += 1
            if not item.row.clock_synchronised:
                self.unsure.add(item.place.id)
            for row in _media(item) if item.event is None else self.surveys.media(item):
                self.methods.add(str(row["captureMethod"]))
                yield row

    def observations(self) -> Iterator[Row]:
        for item in exported_sequences(self.connection, self.exact):
            if item.place is None:
                continue
            for row in _observations(item) if item.event is None else self._imported(item):
                self.species.add(str(row.get("scientificName", "")))
                yield row

    def deployment(self, place: Place, now: datetime) -> Row:
        return self.surveys.deployment(place) | _deployment(place, self.unsure, now)

    def write_pictures(self, package: zipfile.ZipFile, root: Path) -> None:
        """Each stored frame, its location stripped unless `exact`; what cannot be read is counted."""
        for item in exported_sequences(self.connection, self.exact):
            for frame in item.frames if item.place is not None else ():
                try:
                    content = (root / frame.path).read_bytes()
                    shown = content if self.exact else strip_location(content)
                except (OSError, FrameError):
                    self.unreadable += 1
                    continue
                package.writestr(frame.path, shown, zipfile.ZIP_STORED)

    def _imported(self, item: ExportedSequence) -> Iterator[Row]:
        """#5."""
        yield from self.surveys.observations(item)
        for said in item.said_here:
            yield _event(item) | self.surveys.event(item) | _human_observation(item, said)


def _deployment(place: Place, unsure: set[str], now: datetime) -> Row:
    return {
        "deploymentID": place.id, "locationID": place.location_id, "locationName": place.location_name,
        "latitude": place.latitude, "longitude": place.longitude, "coordinateUncertainty": place.uncertainty_m,
        "deploymentStart": _time(place.started_at), "deploymentEnd": _time(_end(place, now)),
        "setupBy": place.setup_by, "cameraModel": place.camera_model,
        "timestampIssues": _flag(place.id in unsure and not place.clock_shift_s),
        "deploymentComments": place.comments,
    } | ({} if place.standard else {"cameraID": place.trap})  # fmt: skip


def _end(place: Place, now: datetime) -> datetime:
    """The deployment's end; `now` where it goes on."""
    return place.ended_at or max(now, place.started_at)


def _media(item: ExportedSequence) -> Iterator[Row]:
    for frame in item.frames:
        yield {
            "mediaID": media_id(frame), "deploymentID": _deployment_id(item), "captureMethod": "activityDetection",
            "timestamp": _time(item.taken_at(frame)), "filePath": frame.path, "filePublic": "false",
            "fileName": frame.name, "fileMediatype": "image/jpeg", "favorite": _flag(item.row.review == "confirmed"),
        }  # fmt: skip


def _observations(item: ExportedSequence) -> Iterator[Row]:
    row = item.row
    machine = {"classificationMethod": "machine", "classifiedBy": f"{row.bundle} {row.bundle_version}"}
    event, known = _event(item), {"observationID": f"{row.trap}:{row.id}:machine"}
    if row.test:  # #6
        yield event | known | {"observationType": "unclassified", "cameraSetupType": "setup", "observationTags": "test"}
    else:
        observation = machine_answer(row.label, row.positive, row.confidence, row.probabilities)  # #1, #3
        yield event | machine | known | observation | {"classificationTimestamp": _time(row.received_at)}
    for said in item.observations:
        yield event | _human_observation(item, said)
    for frame in () if row.test else item.frames:
        if frame.score is not None:  # #2
            moment, positive = _time(item.taken_at(frame)), frame.score >= row.threshold
            yield event | machine | machine_answer(row.label, positive, frame.score, row.probabilities) | {
                "observationID": f"{media_id(frame)}:machine", "mediaID": media_id(frame), "eventStart": moment,
                "eventEnd": moment, "observationLevel": "media", "classificationTimestamp": _time(row.received_at),
            } | (_box(frame) if positive else {})  # fmt: skip


def _event(item: ExportedSequence) -> Row:
    return {
        "deploymentID": _deployment_id(item), "eventID": item.event_id, "eventStart": _time(item.group.started_at),
        "eventEnd": _time(item.group.ended_at), "observationLevel": "event",
    }  # fmt: skip


def _human_observation(item: ExportedSequence, said: Any) -> Row:
    row = item.row
    observation: Row = {
        "observationID": f"{row.trap}:{row.id}:human:{said.key}", "classificationMethod": "human",
        "classifiedBy": said.reviewer, "classificationTimestamp": _time(said.at),
        "observationTags": f"label:{item.label}" + (" | test" if row.test else ""),
    }  # fmt: skip
    if said.verdict == "rejected":
        return observation | {"observationType": "unknown", "observationComments": f"not {row.label}"}
    label = item.label.lower().replace(" ", "_")
    kinds = {"person": "human", "human": "human", "vehicle": "vehicle"} | dict.fromkeys(EMPTY_LABELS, "blank")
    kind = kinds.get(label, "animal")
    named = {"scientificName": _scientific(item.label)} if kind == "animal" else {}
    return observation | {"observationType": kind} | named


def _scientific(label: str) -> str:
    """The scientific name of a label, empty where none is known."""
    known = SPECIES.get(label.lower().replace(" ", "_"), "")
    return known or (label if _SCIENTIFIC.fullmatch(label) else "")


def _box(frame: Any) -> Row:
    region = region_of(frame.region)
    return {} if region is None else box(region.left, region.top, region.width, region.height)


def _package(found: list[Place], tables: _Tables, station: str, now: datetime, exact: bool) -> dict[str, Any]:
    starts = [place.started_at for place in found]
    ends = [place.ended_at or now for place in found]
    coarse = {} if exact else {"coordinatePrecision": COARSE_DEGREES}
    return {
        "profile": BASE + "camtrap-dp-profile.json",
        "name": "uncia-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in station.lower()),
        "title": station,
        "description": f"Events are sequences of one trap that show the same, less than {tables.independence} minutes "
        f"apart. Left out: {tables.left_out} sequences outside every deployment"
        f"{f', {tables.unreadable} pictures that cannot be read' if tables.unreadable else ''}.",
        "created": _time(now),
        "contributors": [{"title": station, "role": "contact"}],
        "resources": [resource(name) for name in ("deployments", "media", "observations")],
        "project": {
            "title": station, "samplingDesign": "opportunistic", "captureMethod": sorted(tables.methods),
            "individualAnimals": False, "observationLevel": ["media", "event"],
        },
        "spatial": bounds((place.latitude, place.longitude) for place in found),
        "temporal": {"start": f"{min(starts):%Y-%m-%d}", "end": f"{max(ends):%Y-%m-%d}"},
        "taxonomic": tables.surveys.taxa(tables.species - {""} | {"Panthera uncia"}),
    } | tables.surveys.credits() | coarse  # fmt: skip


def _deployment_id(item: ExportedSequence) -> str:
    return "" if item.place is None else item.place.id


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _flag(value: bool) -> str:
    return str(value).lower()
