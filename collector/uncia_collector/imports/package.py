"""Reads a Camtrap DP 1.0 package, a folder or a zip, event by event.

Decides which pictures and observations are one event, and what is refused before anything is taken in:
#1 An observation's `eventID` names its event; without one, its media is an event of its own.
#2 Media belongs to the event of its first observation; else to the event of its deployment whose time holds it.
#3 Media that nobody observed is cut by the burst rule.
#4 A missing column or value, a time that is none, a NUL, an id that is not unique or leads nowhere: refused.
#5 Files are read from inside the package only. What lies elsewhere (an address, a path that leads out) is not fetched.

The tables wait in a private database on disk, so that a survey of a million pictures needs the memory of a deployment.
"""

import csv
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from uncia_collector.catalogue.deployments import deployment_row, moment
from uncia_collector.imports.event import ImportedEvent, Row
from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.errors import DataError
from uncia_contract.pictures.jpeg import MAX_JPEG_BYTES

_MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "fileMediatype")
_OBSERVATIONS = ("observationID", "deploymentID", "eventStart", "eventEnd", "observationLevel", "observationType")
_DAMAGED_ZIP = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
_KINDS = {
    "observationLevel": {"media", "event"},
    "observationType": {"animal", "human", "vehicle", "blank", "unknown", "unclassified"},
}
_STAGE = """
CREATE TABLE media (id TEXT PRIMARY KEY, deployment TEXT, at TEXT, line INTEGER, content TEXT);
CREATE TABLE observations (id TEXT PRIMARY KEY, deployment TEXT, media TEXT, line INTEGER, content TEXT);
"""


class CamtrapPackage:
    """A package whose tables were found sound. A context manager: `close` forgets what was staged."""

    def __init__(self, path: Path) -> None:
        """Read and check the tables.

        Raises:
            DataError: not such a package, or #4; the message names file, line and column.
        """
        try:
            self._source = _Zip(path) if path.is_file() and zipfile.is_zipfile(path) else _Folder(path)
        except _DAMAGED_ZIP as error:
            raise DataError(f"{path}: cannot be read: {error}") from error
        self.description = self._described()
        self.name = str(self.description.get("id") or self.description.get("name") or path.stem)[:64]
        self.title = str(self.description.get("title") or self.description.get("name") or path.stem)[:255]
        self.deployments: list[tuple[dict[str, Any], Row]] = []
        self._stage = sqlite3.connect("")  # private, on disk, gone when closed
        self._stage.executescript(_STAGE)
        self._read_deployments()
        self._read_media()
        self._read_observations()

    def __enter__(self) -> "CamtrapPackage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was staged."""
        self._stage.close()
        self._source.close()

    def events(self, deployment: str) -> Iterator[ImportedEvent]:
        """The events of one deployment, media in order of time."""
        order = "SELECT content FROM media WHERE deployment = ? ORDER BY at, id"
        media = {row["mediaID"]: row for row in self._staged(order, deployment)}
        observed: dict[str, list[Row]] = {}
        event_of: dict[str, str] = {}
        for row in self._staged("SELECT content FROM observations WHERE deployment = ? ORDER BY line", deployment):
            event = row.get("eventID") or f"media {row.get('mediaID', row['observationID'])}"  # #1
            observed.setdefault(event, []).append(row)
            if "mediaID" in row:
                event_of.setdefault(row["mediaID"], event)
        _claim_by_time(media, observed, event_of)
        shown: dict[str, list[Row]] = {}
        for known, row in media.items():
            shown.setdefault(event_of.get(known, ""), []).append(row)
        for event, observations in observed.items():
            yield ImportedEvent(deployment, event, tuple(shown.get(event, ())), tuple(observations))
        yield from _unobserved(deployment, shown.get("", []))

    def picture(self, file_path: str) -> bytes | None:
        """A file of the package, empty where it is damaged or too large; None where it is not there (#5)."""
        return self._source.read(file_path)

    def _described(self) -> dict[str, Any]:
        content = self._source.read("datapackage.json")
        if content is None:
            raise DataError(f"{self._source.path}: holds no datapackage.json; expected a Camtrap DP package")
        try:
            described = json.loads(content)
            profile = str(described["profile"])
            if "\\u0000" in json.dumps(described):
                raise ValueError("a NUL in a text")
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self._source.path}/datapackage.json: {error!r}; expected Camtrap DP's") from error
        if "camtrap-dp/1." not in profile:
            raise DataError(f"{self._source.path}: profile {profile[:90]!r}, expected Camtrap DP 1.x")
        return dict(described)

    def _read_deployments(self) -> None:
        known: set[str] = set()
        for number, line in self._table("deployments", ()):
            row = deployment_row(line, number, self._path("deployments"))
            if row["id"] in known:
                self._refuse("deployments", number, f"id {row['id']!r} is there twice")
            known.add(row["id"])
            self.deployments.append((row, _filled(line)))
        if not self.deployments:
            raise DataError(f"{self._path('deployments')}: no deployments; expected one at least")

    def _read_media(self) -> None:
        for number, line in self._table("media", _MEDIA):
            at = self._moment("media", number, line["timestamp"])
            values = (line["mediaID"], line["deploymentID"], at, number, json.dumps(_filled(line)))
            self._keep("media", number, values)
        self._check_keys("media", "deployment", "deploymentID")

    def _read_observations(self) -> None:
        for number, line in self._table("observations", _OBSERVATIONS):
            for column in ("eventStart", "eventEnd"):
                self._moment("observations", number, line[column])
            for column, known in _KINDS.items():
                if line[column] not in known:
                    self._refuse("observations", number, f"{column} {line[column]!r}: expected one of {sorted(known)}")
            media = line.get("mediaID") or None
            row = (line["observationID"], line["deploymentID"], media, number, json.dumps(_filled(line)))
            self._keep("observations", number, row)
        self._check_keys("observations", "deployment", "deploymentID")
        lost = "SELECT line, media FROM observations WHERE media IS NOT NULL AND media NOT IN (SELECT id FROM media)"
        for number, media in self._stage.execute(f"{lost} LIMIT 1"):
            self._refuse("observations", number, f"mediaID {media!r} is not in media.csv")

    def _keep(self, table: str, number: int, values: tuple[object, ...]) -> None:
        try:
            self._stage.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608 - our own names
        except sqlite3.IntegrityError:
            self._refuse(table, number, f"id {values[0]!r} is there twice")

    def _check_keys(self, table: str, column: str, name: str) -> None:
        known = {row["id"] for row, _ in self.deployments}
        for (value,) in self._stage.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():  # noqa: S608
            if value not in known:
                where = f"SELECT min(line) FROM {table} WHERE {column} = ?"  # noqa: S608
                [number] = self._stage.execute(where, (value,)).fetchone()
                self._refuse(table, number, f"{name} {value!r} is not in deployments.csv")

    def _table(self, name: str, required: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
        """(line number, row) of a table; every required value is there."""
        try:
            with io.TextIOWrapper(self._source.open(self._resource(name)), encoding="utf-8-sig", newline="") as text:
                reader = csv.DictReader(text, restval="")
                for column in required:
                    if column not in (reader.fieldnames or ()):
                        self._refuse(name, 1, f"no column {column!r}")
                for line in reader:
                    if "\0" in "".join(map(str, line.values())):
                        self._refuse(name, reader.line_num, "a NUL in a text")
                    for column in required:
                        if not line[column]:
                            self._refuse(name, reader.line_num, f"{column} is empty")
                    yield reader.line_num, line
        except (*_DAMAGED_ZIP, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self._path(name)}: cannot be read: {error}") from error

    def _resource(self, name: str) -> str:
        for resource in self.description.get("resources") or ():
            if isinstance(resource, dict) and resource.get("name") == name:
                path = resource.get("path")
                if isinstance(path, str):
                    return path
        raise DataError(f"{self._source.path}: datapackage.json names no file for {name!r}")

    def _path(self, table: str) -> Path:
        return self._source.path / self._resource(table)

    def _moment(self, table: str, number: int, text: str) -> str:
        try:
            return moment(text).isoformat()
        except (ValueError, OverflowError) as error:
            raise DataError(f"{self._path(table)}, line {number}: {text[:40]!r} is no time: {error}") from error

    def _refuse(self, table: str, number: int, what: str) -> None:
        raise DataError(f"{self._path(table)}, line {number}: {what}")

    def _staged(self, query: str, deployment: str) -> Iterator[Row]:
        for (content,) in self._stage.execute(query, (deployment,)):
            yield json.loads(content)


class _Folder:
    """Files below a folder (or beside a datapackage.json)."""

    def __init__(self, path: Path) -> None:
        self.path = (path.parent if path.name == "datapackage.json" else path).absolute()

    def read(self, name: str) -> bytes | None:
        try:
            file = (self.path / name).resolve()
            if "://" in name or not file.is_relative_to(self.path.resolve()) or not file.is_file():
                return None
            return file.read_bytes() if file.stat().st_size <= MAX_JPEG_BYTES else b""
        except OSError:  # a name too long for any file, a file that is not ours to read
            return None

    def open(self, name: str) -> IO[bytes]:
        if not (self.path / name).resolve().is_relative_to(self.path.resolve()):
            raise DataError(f"{self.path}: {name!r} leads out of the package")
        return (self.path / name).open("rb")

    def close(self) -> None:
        """Nothing is open."""


class _Zip:
    """Members of a zip, relative to its datapackage.json."""

    def __init__(self, path: Path) -> None:
        self.path, self._zip = path.absolute(), zipfile.ZipFile(path)
        self._members = {info.filename: info for info in self._zip.infolist()}
        found = sorted((name for name in self._members if PurePosixPath(name).name == "datapackage.json"), key=len)
        self._base = found[0].removesuffix("datapackage.json") if found else ""

    def read(self, name: str) -> bytes | None:
        info = self._members.get(self._base + name)
        if info is None:
            return None
        try:
            return self._zip.read(info) if info.file_size <= MAX_JPEG_BYTES else b""
        except _DAMAGED_ZIP:
            return b""

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._zip.open(self._base + name)
        except KeyError as error:
            raise FileNotFoundError(f"no member {name!r}") from error

    def close(self) -> None:
        self._zip.close()


def _filled(line: Mapping[str, Any]) -> Row:
    """A row without its empty values (and without cells beyond the last column)."""
    return {name: value for name, value in line.items() if name and isinstance(value, str) and value}


def _claim_by_time(media: dict[str, Row], observed: dict[str, list[Row]], event_of: dict[str, str]) -> None:
    """#2: what no observation names belongs to the event whose time holds it."""
    spans = [
        (moment(row["eventStart"]), moment(row["eventEnd"]), event)
        for event, rows in observed.items()
        for row in rows
        if row["observationLevel"] == "event"
    ]
    for known in [known for known in media if known not in event_of]:
        at = moment(media[known]["timestamp"])
        for start, end, event in spans:
            if start <= at <= end:
                event_of[known] = event
                break


def _unobserved(deployment: str, media: list[Row]) -> Iterator[ImportedEvent]:
    """#3."""
    rows = {row["mediaID"]: row for row in media}
    seen = (Frame(known, Path(known), moment(row["timestamp"])) for known, row in rows.items())
    for burst in bursts(seen, BurstRule()):
        shown = tuple(rows[frame.name] for frame in burst.frames)
        yield ImportedEvent(deployment, f"media {shown[0]['mediaID']}", shown, ())
