"""Imported surveys as Camtrap DP again: the rows that they came with, what could tell a place left out.

Decides: #1 ids stay as they were; with more than one survey each one's name goes before its ids of media, observations
and events; #2 a picture that is stored here is named by its path here; #3 unless exact places are asked for, what of a
deployment describes the place, and a picture's EXIF, are left out; #4 of the rows of a whole event those are left out
that somebody here has answered; a machine's where a person says what it is, and an uncia's of release 0.1; #5 of a
sequence that an uncia tagged, what people said is written as of the station's own.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from uncia_collector.catalogue.schema import surveys
from uncia_collector.exports.sequences import ExportedSequence, Place
from uncia_collector.observations.checklist import Checklist
from uncia_contract.archive.camtrap_tables import Row
from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.datasets.camtrap_events import by_machine, is_of_medium, is_told, tag_of

_ISO_639_3 = {"en": "eng", "ru": "rus", "tg": "tgk", "ky": "kir", "kk": "kaz", "mn": "mon", "zh": "zho", "ne": "nep"}
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
        for row in _believed(item):
            yield self._columns("observations", row) | self._ids(item, row)

    def own_ids(self, item: ExportedSequence, said: Row) -> Row:
        """The ids of a person's row of an imported event as the survey has them: of the observation, event, medium."""
        assert item.event is not None  # noqa: S101 - the caller looked
        own = {row["observationID"]: row["eventID"] for row in item.event.observations if "eventID" in row}
        before, known = self._before(item), str(said["observationID"])
        found: Row = {"eventID": before + own.get(known, next(iter(own.values()), item.row.id))}
        found |= {"observationID": before + known} if known in own else {}
        return found | ({"mediaID": before + str(said["mediaID"])} if "mediaID" in said else {})

    def taxa(self, names: set[str], checklist: Checklist) -> list[dict[str, Any]]:
        """The package's `taxonomic`: what a survey knew of a name, else its names in the checklist, else itself."""
        known = {
            taxon["scientificName"]: taxon
            for described in self._described.values()
            for taxon in described.get("taxonomic") or ()
            if isinstance(taxon, dict) and "scientificName" in taxon
        }
        return [known.get(name) or _named(name, checklist) for name in sorted(names)]

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


def _named(name: str, checklist: Checklist) -> dict[str, Any]:
    taxon = checklist.find(name)
    names = {} if taxon is None else {_ISO_639_3.get(code, code): text for code, text in taxon.names.items()}
    spoken = {code: text for code, text in names.items() if len(code) == 3}
    return {"scientificName": name} | ({"vernacularNames": spoken} if spoken else {})


def _believed(item: ExportedSequence) -> Iterator[dict[str, str]]:
    """#4."""
    assert item.event is not None  # noqa: S101 - the caller looked
    rows = item.event.observations
    if item.event.sequence:  # #5
        rows = tuple(row for row in rows if by_machine(row) or is_of_medium(row))
    person = any(not by_machine(row) for row in rows if is_told(row))
    media = any(is_of_medium(row) for row in rows)
    for row in rows:
        outdone = by_machine(row) and (person or (media and tag_of(row) is not None))
        if is_of_medium(row) or not (item.said_here or outdone):
            yield row
