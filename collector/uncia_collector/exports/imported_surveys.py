"""Imported surveys as Camtrap DP again: the rows that they came with, what could tell a place left out.

Decides: #1 ids stay as they were; with more than one survey each one's name goes before its ids of media, observations
and events; #2 a picture that is stored here is named by its path here; #3 unless exact places are asked for, what of a
deployment describes the place, and a picture's EXIF, are left out.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from uncia_collector.catalogue.schema import surveys
from uncia_collector.exports.sequences import ExportedSequence, Place
from uncia_contract.archive.camtrap_tables import Row
from uncia_contract.datasets.camtrap_columns import COLUMNS

_TELLS_A_PLACE = {
    "deployments": frozenset({"locationName", "habitat", "deploymentGroups", "deploymentTags", "deploymentComments"}),
    "media": frozenset({"exifData", "mediaComments"}),
    "observations": frozenset(),
}


class ImportedSurveys:
    """The surveys of one catalogue, for one export."""

    def __init__(self, connection: Connection, exact: bool) -> None:
        self.exact = exact
        self._described = {row.name: json.loads(row.description) for row in connection.execute(select(surveys))}

    def deployment(self, place: Place) -> Row:
        """A deployment's columns beyond those that the catalogue knows; nothing of the station's own."""
        return {} if place.standard is None else self._columns("deployments", json.loads(place.standard))

    def media(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of an event's media."""
        assert item.event is not None  # noqa: S101 - the caller looked
        stored = {frame.n: frame.path for frame in item.frames}
        for n, row in enumerate(item.event.media):
            here = {"filePath": stored[n]} if n in stored else {}  # #2
            yield {"captureMethod": "activityDetection"} | self._columns("media", row) | self._ids(item, row) | here

    def observations(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of an event's observations."""
        assert item.event is not None  # noqa: S101 - the caller looked
        for row in item.event.observations:
            yield self._columns("observations", row) | self._ids(item, row)

    def event(self, item: ExportedSequence) -> Row:
        """The eventID of what is said here of an imported event, and its end."""
        assert item.event is not None  # noqa: S101 - the caller looked
        known = next((row["eventID"] for row in item.event.observations if "eventID" in row), item.row.id)
        return {"eventID": self._before(item) + known, "eventEnd": f"{item.row.ended_at:%Y-%m-%dT%H:%M:%SZ}"}

    def taxa(self, names: set[str]) -> list[dict[str, Any]]:
        """The package's `taxonomic`: what a survey knew of a name, else the name alone."""
        known = {
            taxon["scientificName"]: taxon
            for described in self._described.values()
            for taxon in described.get("taxonomic") or ()
            if isinstance(taxon, dict) and "scientificName" in taxon
        }
        return [known.get(name, {"scientificName": name}) for name in sorted(names)]

    def credits(self) -> dict[str, Any]:
        """Whose work is in the package, besides the station's."""
        if not self._described:
            return {}
        sources = [{"title": str(described.get("title") or name)} for name, described in self._described.items()]
        cited = [
            text for each in self._described.values() if isinstance(text := each.get("bibliographicCitation"), str)
        ]
        return {"sources": sources} | ({"references": cited} if cited else {})

    def _columns(self, table: str, row: dict[str, str]) -> Row:
        hidden = frozenset() if self.exact else _TELLS_A_PLACE[table]  # #3
        return {name: row[name] for name in COLUMNS[table] if name in row and name not in hidden}

    def _ids(self, item: ExportedSequence, row: dict[str, str]) -> Row:
        """#1."""
        before = self._before(item)
        return {name: before + row[name] for name in ("mediaID", "observationID", "eventID") if name in row}

    def _before(self, item: ExportedSequence) -> str:
        return f"{item.row.origin}:" if len(self._described) > 1 else ""
