"""Reads a Camtrap DP 1.0 package, checks its tables and yields its events.

Decides what is refused before anything is written. (`camtrap_events` of the contract decides which media and
observations are one event.)
#1 Refused: a missing column or value, a time that cannot be read, a NUL, an id that is not unique or is not in its
   table.
#2 Files are read from inside the package, or beside its zip. Files elsewhere (an address, a path that leaves the
   package) are not read.

The tables are copied to a private database on disk, so that a survey of a million pictures needs only the memory of
one deployment.
"""

import json
import sqlite3
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any

from uncia_collector.imports.event import ImportedEvent
from uncia_contract.archive.camtrap_deployments import deployment_row, moment
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.camtrap_events import split_events
from uncia_contract.datasets.camtrap_package import CamtrapTables, Line, Row, check_medium
from uncia_contract.errors import DataError

_DEPLOYMENTS = ("deploymentID", "latitude", "longitude", "deploymentStart")
_MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "fileMediatype")
_OBSERVATIONS = ("observationID", "deploymentID", "eventStart", "eventEnd", "observationLevel", "observationType")
_STAGE = """
CREATE TABLE media (id TEXT PRIMARY KEY, deployment TEXT, at TEXT, line INTEGER, content TEXT);
CREATE TABLE observations (id TEXT PRIMARY KEY, deployment TEXT, media TEXT, line INTEGER, content TEXT);
"""


class CamtrapPackage:
    """A package whose tables passed the checks. A context manager: `close` removes the private database.

    `media` is the number of media; `deployments` has for each deployment its row for the catalogue and its own row.
    """

    def __init__(self, path: Path, zone: tzinfo | None = None) -> None:
        """Read and check the tables.

        Args:
            path: the package's folder, its datapackage.json or a zip.
            zone: of times without an offset, if their deployment's times have none either; None: unknown (UTC).

        Raises:
            DataError: not such a package, or refused by #1; the message names file, line and column.
        """
        self._tables = CamtrapTables(path, zone)
        self.description = self._tables.description
        self.name = str(self.description.get("id") or self.description.get("name") or path.stem)[:64]
        self.title = str(self.description.get("title") or self.description.get("name") or path.stem)[:255]
        self.deployments: list[tuple[dict[str, Any], Row]] = []
        self._known: set[str] = set()
        self._stage = sqlite3.connect("")  # private, on disk, gone when closed
        self._stage.executescript(_STAGE)
        self._read_deployments()
        self.media = self._read_media()
        self._read_observations()

    def __enter__(self) -> "CamtrapPackage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and remove the private database."""
        self._stage.close()
        self._tables.files.close()

    @property
    def zone_note(self) -> str | None:
        """How times without an offset were read, as one line; None if all times have one."""
        return self._tables.zone_note

    def events(self, deployment: str) -> Iterator[ImportedEvent]:
        """The events of one deployment, media in order of time."""
        media = [*self._staged("SELECT content FROM media WHERE deployment = ? ORDER BY at, id", deployment)]
        order = "SELECT content FROM observations WHERE deployment = ? ORDER BY line"
        for event in split_events(media, [*self._staged(order, deployment)], BurstRule()):
            known = event.id or f"media {(event.whole or event.observations)[0]['observationID']}"
            yield ImportedEvent(deployment, known, tuple(event.media), tuple(event.observations), event.sequence)

    def picture(self, file_path: str) -> bytes | None:
        """The content of a file of the package; empty if damaged or too large, None if not in the package (#2)."""
        return self._tables.files.read(file_path)

    def _read_deployments(self) -> None:
        for line in self._tables.lines("deployments", _DEPLOYMENTS):
            row = deployment_row(dict.fromkeys(_DEPLOYMENTS, "") | line.row, line.number, Path(line.path))
            if row["id"] in self._known:
                raise DataError(f"{line.where}: id {row['id']!r} is there twice")
            self._known.add(row["id"])
            self.deployments.append((row, line.row))
        if not self.deployments:
            raise DataError(f"{self._tables.where('deployments')}: no deployments; expected one at least")

    def _read_media(self) -> int:
        found = 0
        for line in self._lines("media", _MEDIA):
            self._keep("media", line, line.row["mediaID"], _moment(line, "timestamp"), found)
            found += 1
        return found

    def _read_observations(self) -> None:
        query = "SELECT deployment FROM media WHERE id = ?"
        for number, line in enumerate(self._lines("observations", _OBSERVATIONS)):
            _moment(line, "eventStart")
            _moment(line, "eventEnd")
            media = line.row.get("mediaID")
            if media is not None:
                [deployment] = self._stage.execute(query, (media,)).fetchone() or [None]
                check_medium(line, deployment, self._tables)
            self._keep("observations", line, line.row["observationID"], media, number)

    def _keep(self, table: str, line: Line, known: str, second: str | None, number: int) -> None:
        values = (known, line.row["deploymentID"], second, number, json.dumps(line.row))
        try:
            self._stage.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608 - our own names
        except sqlite3.IntegrityError as error:
            raise DataError(f"{line.where}: id {known!r} is there twice") from error

    def _lines(self, table: str, required: tuple[str, ...]) -> Iterator[Line]:
        """The rows of a table, after checking that required values are not empty and the deployment is known."""
        for line in self._tables.lines(table, required):
            for column in required:
                if column not in line.row:
                    raise DataError(f"{line.where}: {column} is empty")
            if (known := line.row["deploymentID"]) not in self._known:
                raise DataError(f"{line.where}: deploymentID {known!r} is not in {self._tables.where('deployments')}")
            yield line

    def _staged(self, query: str, deployment: str) -> Iterator[Row]:
        for (content,) in self._stage.execute(query, (deployment,)):
            yield json.loads(content)


def _moment(line: Line, column: str) -> str:
    text = line.row[column]
    try:
        return moment(text).isoformat()
    except (ValueError, OverflowError) as error:
        raise DataError(f"{line.where}: {error}") from error
