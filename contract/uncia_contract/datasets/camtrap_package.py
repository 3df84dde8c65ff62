"""Reads a Camtrap DP 1 package (camtrap-dp.tdwg.org): its datapackage.json, and its three tables row by row.

#1 The tables are the files that `resources` names; without `resources`, deployments.csv, media.csv and
observations.csv.
#2 The profile must be Camtrap DP 1, at any address; if it has no version, only the columns are checked.
#3 Values that the standard calls missing (NA, NaN) are left out.
#4 A time without an offset gets that of its deployment (from deploymentStart or deploymentEnd), else the zone that the
caller gives, else UTC; `zone_note` says which.
`camtrap_events` decides which rows are one event.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.datasets.detector_results import refuse_detector_results
from uncia_contract.datasets.package_files import package_files
from uncia_contract.datasets.resource_tables import ResourceTable, resource_table
from uncia_contract.errors import DataError

Row = dict[str, str]
_MISSING = frozenset({"", "NA", "NaN", "nan"})
_VERSION = re.compile(r"(?<![\d.])v?(\d+)\.\d+(?:\.\d+)*(?![\d.])")
_TIMES = {
    "deployments": ("deploymentStart", "deploymentEnd"),
    "media": ("timestamp",),
    "observations": ("eventStart", "eventEnd"),
}
_WORDS = {
    "observationLevel": {"media", "event"},
    "observationType": {"animal", "human", "vehicle", "blank", "unknown", "unclassified"},
}
_MOST_LEVELS = 64  # nesting of datapackage.json; deeper ones could not be encoded as JSON again


@dataclass(frozen=True)
class Line:
    """A row of a table, without its empty values, with its file and line number."""

    path: str
    number: int
    row: Row

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.number}"


class CamtrapTables:
    """The package at a path: its folder, its datapackage.json or a zip. A context manager.

    Attributes:
        files: the package's files.
        description: the content of datapackage.json.
        name: the package's name from datapackage.json, else from the path.
    """

    def __init__(self, path: Path, zone: tzinfo | None = None) -> None:
        """Open the package and read datapackage.json.

        Args:
            path: the package's folder, its datapackage.json or a zip.
            zone: the zone of times without an offset in deployments without one; None where it is not known.

        Raises:
            DataError: not a Camtrap DP 1 package.
        """
        self.files = package_files(path)
        self._zone = zone
        self._zones: dict[str, tzinfo] = {}
        self._unzoned: Counter[str] = Counter()
        try:
            self.description = self._described()
            self.name = str(self.description.get("name") or path.stem)
            self._tables = {name: self._table(name) for name in COLUMNS}
        except DataError:
            self.files.close()
            raise

    def __enter__(self) -> "CamtrapTables":
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()

    def where(self, table: str) -> str:
        """The (first) file of a table, for messages."""
        return self._tables[table].where(self._tables[table].paths[0])

    def lines(self, table: str, required: Sequence[str] = ()) -> Iterator[Line]:
        """The rows of a table; deployments must be read before the others (#4).

        Raises:
            DataError: it cannot be read, lacks a required column, or has a value that the standard does not allow.
        """
        for path, number, cells in self._tables[table].rows(required):
            if "\0" in "".join(cells.values()):
                raise DataError(f"{path}, line {number}: a NUL in a text")
            row = {name: value for name, value in cells.items() if name and value not in _MISSING}
            if table == "deployments":
                self._zones |= {row.get("deploymentID", ""): zone for zone in [_zone_of(row)] if zone}
            for column in _TIMES[table]:
                if column in row:
                    row[column] = self._with_offset(row[column], row.get("deploymentID", ""))
            line = Line(path, number, row)
            _check_words(line)
            yield line

    @property
    def zone_note(self) -> str | None:
        """In which zone times without an offset were read; None if all times read so far have one."""
        if not self._unzoned:
            return None
        taken = "; ".join(f"{count} {how}" for how, count in sorted(self._unzoned.items()))
        return f"{self.files.path}: times that name no offset: {taken}"

    def _with_offset(self, text: str, deployment: str) -> str:
        time = _time(text)
        if time is None or time.tzinfo:
            return text
        zone, how = self._zones.get(deployment), "taken with their deployment's"
        if zone is None:
            zone, how = (
                self._zone,
                "taken in the zone that was given" if self._zone else "taken as UTC (--utc-offset tells another zone)",
            )
        self._unzoned[how] += 1
        return text if zone is None else time.replace(tzinfo=zone).isoformat()

    def _described(self) -> dict[str, Any]:
        where = f"{self.files.path}/{self.files.descriptor}"
        content = self.files.read(self.files.descriptor)
        if content is None:
            unpack = "; unpack a zip of anything else" if self.files.path.is_file() else ""
            raise DataError(f"{self.files.path}: holds no datapackage.json; expected a Camtrap DP package{unpack}")
        try:
            described = json.loads(content)
            deep = _levels(described) > _MOST_LEVELS
        except RecursionError:
            deep = True
        except ValueError as error:
            raise DataError(f"{where}: {error}; expected Camtrap DP's datapackage.json") from error
        if deep:
            raise DataError(f"{where}: nested more than {_MOST_LEVELS} levels deep; expected Camtrap DP's")
        refuse_detector_results(where, described)
        if not isinstance(described, dict):
            raise DataError(f"{where}: a {type(described).__name__}; expected Camtrap DP's datapackage.json, an object")
        if "\\u0000" in json.dumps(described):
            raise DataError(f"{where}: a NUL in a text; expected Camtrap DP's datapackage.json")
        _check_profile(where, described.get("profile"))
        return described

    def _table(self, name: str) -> ResourceTable:
        if "resources" not in self.description:
            return resource_table(self.files, {"name": name, "path": f"{name}.csv"}, COLUMNS[name])
        resources = self.description["resources"]
        for resource in resources if isinstance(resources, list) else ():
            if isinstance(resource, dict) and resource.get("name") == name:
                return resource_table(self.files, resource, COLUMNS[name])
        raise DataError(f"{self.files.path}: datapackage.json names no file for {name!r}")


def check_medium(line: Line, deployment: str | None, tables: CamtrapTables) -> None:
    """Check that an observation's medium exists and belongs to the same deployment.

    Args:
        line: the line of an observation that names a medium.
        deployment: the medium's deployment; None if there is no such medium.
        tables: the package, for messages.

    Raises:
        DataError: the medium is missing, or belongs to another deployment.
    """
    if deployment is None:
        raise DataError(f"{line.where}: mediaID {line.row['mediaID']!r} is not in {tables.where('media')}")
    if deployment != line.row["deploymentID"]:
        raise DataError(
            f"{line.where}: deploymentID {line.row['deploymentID']!r}, but its medium {line.row['mediaID']!r} is of "
            f"{deployment!r}"
        )


def moment_of(text: str) -> datetime | None:
    """A table's time as an aware datetime (UTC if it has no offset); None if it is not a time."""
    time = _time(text)
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _zone_of(deployment: Row) -> tzinfo | None:
    """The offset of a deployment's clock, from its start or end; None where neither has one."""
    times = (_time(deployment.get(column, "")) for column in _TIMES["deployments"])
    return next((time.tzinfo for time in times if time and time.tzinfo), None)


def _check_words(line: Line) -> None:
    for column, known in _WORDS.items():
        if column in line.row and line.row[column] not in known:
            raise DataError(f"{line.where}: {column} {line.row[column]!r}: expected one of {sorted(known)}")


def _check_profile(where: str, profile: object) -> None:
    """Check the profile (#2); raises DataError."""
    if profile is None:
        return
    versions = _VERSION.findall(str(profile))
    if "camtrap" not in str(profile).lower() or (versions and versions[-1] != "1"):
        older = "; camtrapdp (R) writes older ones as 1.0" if versions and versions[-1] == "0" else ""
        raise DataError(f"{where}: profile {str(profile)[:120]!r}, expected Camtrap DP 1.x{older}")


def _levels(value: object) -> int:
    """The depth of nested lists and objects."""
    levels, inside = 0, [value]
    while inside:
        levels += 1
        inside = [
            deeper
            for one in inside
            if isinstance(one, dict | list)
            for deeper in (one.values() if isinstance(one, dict) else one)
        ]
    return levels
