"""Writes a Camtrap DP 1.0 package (https://camtrap-dp.tdwg.org) as a zip.

Decides what it holds:
#1 People's observations at event level, the machine's at media level (`camtrap_rows`).
#2 The rows of imported surveys (`imported_surveys`), and what people here answered.
#3 What is left out is counted and named in the package's description (`left_out`).
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection

from uncia_collector.catalogue.database import catalogue_id
from uncia_collector.catalogue.events.settling import independence
from uncia_collector.exports.camtrap_rows import CamtrapRows, utc
from uncia_collector.exports.imported_surveys import ImportedSurveys
from uncia_collector.exports.left_out import UNREADABLE, LeftOut, selected
from uncia_collector.exports.sequences import (
    COARSE_DEGREES,
    EVERYTHING,
    ExportedSequence,
    Place,
    Selection,
    exported_sequences,
    places,
)
from uncia_collector.exports.speaking_sequences import with_speakers
from uncia_collector.exports.strip_locations import strip_location
from uncia_collector.observations.checklist import Checklist, shipped_checklist
from uncia_contract.archive.camtrap_tables import BASE, Row, bounds, resource, write_table
from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.errors import DataError, FrameError

MARK = 8  # digits of the catalogue's id in tags


def write_camtrap_dp(
    connection: Connection,
    stream: BinaryIO,
    station: str,
    now: datetime,
    exact: bool = False,
    pictures: bool = False,
    root: Path | None = None,
    checklist: Checklist | None = None,
    only: Selection = EVERYTHING,
) -> LeftOut:
    """Write the package; return the counts of what it holds and what was left out (#3).

    Args:
        connection: to the catalogue.
        stream: the zip is written to it.
        station: the package's title.
        now: the end of deployments that have not ended.
        exact: whether coordinates and names of places are exact, and pictures keep their whole headers.
        pictures: whether the package holds the pictures; they are read from `root`.
        root: the data folder, to leave out pictures whose file is missing; None: no check.
        checklist: the station's, in place of the shipped one.
        only: which sequences, and which deployments.

    Raises:
        DataError: the catalogue has no deployments; the standard requires places and periods.
    """
    found = [place for place in places(connection, exact) if only.takes(place)]
    if not found:
        raise DataError("Camtrap DP: no deployments are known; add them with `uncia-collect deployments FILE.csv`")
    tables = _Tables(connection, exact, root, checklist or shipped_checklist(), only)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        _write(package, "media", tables.media())
        _write(package, "observations", tables.observations())
        _write(package, "deployments", (tables.deployment(place, now) for place in found))
        if pictures and root is not None:
            tables.write_pictures(package, root)
        description = _package(found, tables, station, now, exact)
        package.writestr("datapackage.json", json.dumps(description, indent=2))
    return tables.left


def _write(package: zipfile.ZipFile, name: str, rows: Iterable[Row]) -> None:
    with package.open(f"{name}.csv", "w") as member:
        write_table(member, COLUMNS[name], rows)


class _Tables:
    """The package's tables; each is one pass over the catalogue, which also counts what the description needs."""

    def __init__(
        self, connection: Connection, exact: bool, root: Path | None, checklist: Checklist, only: Selection
    ) -> None:
        self.only = only
        self.connection, self.exact, self.root, self.checklist = connection, exact, root, checklist
        self.rows = CamtrapRows(checklist, catalogue_id(connection)[:MARK])
        self.surveys, self.left = ImportedSurveys(connection, exact), LeftOut()
        self.independence = independence(connection) // timedelta(minutes=1)
        self.species: set[str] = set()
        self.methods = {"activityDetection"}
        self.unsure: set[str] = set()  # deployments with a sequence whose clock was not synchronised

    def media(self) -> Iterator[Row]:
        for item in self._selected(self.left):
            if not item.row.clock_synchronised and item.place is not None:
                self.unsure.add(item.place.id)
            for row in self.rows.media(item) if item.event is None else self.surveys.media(item):
                self.methods.add(str(row["captureMethod"]))
                yield row

    def observations(self) -> Iterator[Row]:
        for item in self._kept(LeftOut(), with_speakers(self.connection, self.exact, self.only, self.checklist)):
            for row in self.rows.observations(item) if item.event is None else self._imported(item):
                self.species.add(str(row.get("scientificName", "")))
                yield row

    def deployment(self, place: Place, now: datetime) -> Row:
        return self.surveys.deployment(place) | _deployment(place, self.unsure, now)

    def write_pictures(self, package: zipfile.ZipFile, root: Path) -> None:
        """Write each stored frame, without its location unless `exact`; count those that cannot be read."""
        for item in self._selected(LeftOut()):
            for frame in item.frames:
                try:
                    content = (root / frame.path).read_bytes()
                    shown = content if self.exact else strip_location(content)
                except (OSError, FrameError):
                    self.left.add(UNREADABLE, item.row.trap)
                    continue
                package.writestr(frame.path, shown, zipfile.ZIP_STORED)

    def _selected(self, left: LeftOut) -> Iterator[ExportedSequence]:
        return self._kept(left, exported_sequences(self.connection, self.exact, self.only))

    def _kept(self, left: LeftOut, found: Iterable[ExportedSequence]) -> Iterator[ExportedSequence]:
        for item in found:
            if (taken := selected(item, self.root, left)) is not None:
                yield taken

    def _imported(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of a survey's sequence (#2)."""
        yield from self.surveys.observations(item)
        for row in self.rows.of_people(item):
            yield row | self.surveys.own_ids(item, row)


def _deployment(place: Place, unsure: set[str], now: datetime) -> Row:
    return {
        "deploymentID": place.id, "locationID": place.location_id, "locationName": place.location_name,
        "latitude": place.latitude, "longitude": place.longitude, "coordinateUncertainty": place.uncertainty_m,
        "deploymentStart": utc(place.started_at), "deploymentEnd": utc(_end(place, now)),
        "setupBy": place.setup_by, "cameraModel": place.camera_model,
        "timestampIssues": str(place.id in unsure and not place.clock_shift_s).lower(),
        "deploymentComments": place.comments,
    } | ({} if place.standard else {"cameraID": place.trap})  # fmt: skip


def _end(place: Place, now: datetime) -> datetime:
    """The deployment's end; `now` if it has not ended."""
    return place.ended_at or max(now, place.started_at)


def _package(found: list[Place], tables: _Tables, station: str, now: datetime, exact: bool) -> dict[str, Any]:
    starts = [place.started_at for place in found]
    ends = [place.ended_at or now for place in found]
    known = catalogue_id(tables.connection)
    coarse = {} if exact else {"coordinatePrecision": COARSE_DEGREES}
    return {
        "profile": BASE + "camtrap-dp-profile.json",
        "name": "uncia-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in station.lower()),
        "title": station,
        "description": "Event-level rows hold what people believe: for each event and taxon, the sequence in which "
        "they counted most. Media-level rows hold what people said of its other sequences, and what the model says. "
        f"Events are sequences of one trap that show the same, less than {tables.independence} minutes apart. "
        f"Left out: {'; '.join(tables.left.lines()) or 'nothing'}.",
        "created": utc(now),
        "contributors": [{"title": station, "role": "contact"}],
        "resources": [resource(name) for name in ("deployments", "media", "observations")],
        "project": {
            "title": station, "samplingDesign": "opportunistic", "captureMethod": sorted(tables.methods),
            "individualAnimals": False, "observationLevel": ["media", "event"],
        },
        "spatial": bounds((place.latitude, place.longitude) for place in found),
        "temporal": {"start": f"{min(starts):%Y-%m-%d}", "end": f"{max(ends):%Y-%m-%d}"},
        "taxonomic": tables.surveys.taxa(tables.species - {""} | {"Panthera uncia"}, tables.checklist),
    } | tables.surveys.credits() | coarse | ({"id": known} if known else {})  # fmt: skip
