"""Makes Camtrap DP rows of imported surveys: their own rows, without what reveals a place.

Decides:
#1 Ids stay unchanged. If the catalogue has more than one survey, the survey's name is put before the ids of media,
   observations and events.
#2 A picture that is stored here gets its path here.
#3 Unless exact places are wanted, columns that describe the place, and EXIF data, are left out.
#4 Event-level rows are left out if somebody here has answered. A machine's are left out also if a person of the
   survey classified the event, and if they are a copy of media-level rows (release 0.1 wrote such copies).
#5 Of a sequence with an uncia station's tag, people's rows are written as for our own sequences (`camtrap_rows`).
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
    """The surveys of one catalogue, read once for one export."""

    def __init__(self, connection: Connection, exact: bool) -> None:
        self.exact = exact
        self._described = {row.name: json.loads(row.description) for row in connection.execute(select(surveys))}

    def deployment(self, place: Place) -> Row:
        """The survey's own columns of a deployment; empty for the station's own deployments."""
        return {} if place.standard is None else self._columns("deployments", json.loads(place.standard))

    def media(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of an event's media."""
        assert item.event is not None  # noqa: S101 - the caller has checked it
        stored = {frame.n: frame.path for frame in item.frames}
        for n, row in enumerate(item.event.media):
            here = {"filePath": stored[n]} if n in stored else {}  # #2
            yield {"captureMethod": "activityDetection"} | self._columns("media", row) | self._ids(item, row) | here

    def observations(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of an event's observations that are exported (#4, #5)."""
        assert item.event is not None  # noqa: S101 - the caller has checked it
        for row in _exported_rows(item):
            yield self._columns("observations", row) | self._ids(item, row)

    def own_ids(self, item: ExportedSequence, said: Row) -> Row:
        """The ids of a person's row (observation, event, medium) as the survey has them."""
        assert item.event is not None  # noqa: S101 - the caller has checked it
        own = {row["observationID"]: row["eventID"] for row in item.event.observations if "eventID" in row}
        before, known = self._before(item), str(said["observationID"])
        found: Row = {"eventID": before + own.get(known, next(iter(own.values()), item.row.id))}
        found |= {"observationID": before + known} if known in own else {}
        return found | ({"mediaID": before + str(said["mediaID"])} if "mediaID" in said else {})

    def taxa(self, names: set[str], checklist: Checklist) -> list[dict[str, Any]]:
        """The package's `taxonomic`, by name: a survey's entry, else the checklist's names, else only the name."""
        known = {
            taxon["scientificName"]: taxon
            for described in self._described.values()
            for taxon in described.get("taxonomic") or ()
            if isinstance(taxon, dict) and "scientificName" in taxon
        }
        return [known.get(name) or _named(name, checklist) for name in sorted(names)]

    def credits(self) -> dict[str, Any]:
        """The package's `sources` and `references`: titles and citations of the surveys; empty without surveys."""
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
        """The row's ids as the package has them (#1)."""
        before = self._before(item)
        return {name: before + row[name] for name in ("mediaID", "observationID", "eventID") if name in row}

    def _before(self, item: ExportedSequence) -> str:
        return f"{item.row.origin}:" if len(self._described) > 1 else ""


def _named(name: str, checklist: Checklist) -> dict[str, Any]:
    taxon = checklist.find(name)
    names = {} if taxon is None else {_ISO_639_3.get(code, code): text for code, text in taxon.names.items()}
    spoken = {code: text for code, text in names.items() if len(code) == 3}
    return {"scientificName": name} | ({"vernacularNames": spoken} if spoken else {})


def _exported_rows(item: ExportedSequence) -> Iterator[dict[str, str]]:
    """The survey's rows that are exported (#4, #5)."""
    assert item.event is not None  # noqa: S101 - the caller has checked it
    rows = item.event.observations
    if item.event.sequence:  # #5
        rows = tuple(row for row in rows if by_machine(row) or is_of_medium(row))
    person = any(not by_machine(row) for row in rows if is_told(row))
    media = any(is_of_medium(row) for row in rows)
    for row in rows:
        superseded = by_machine(row) and (person or (media and tag_of(row) is not None))
        if is_of_medium(row) or not (item.said_here or superseded):
            yield row
