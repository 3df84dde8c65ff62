"""Reads the labelled pictures of a Camtrap DP package.

An event, or a burst of media without an event, is a sequence; a deployment's location (else the deployment) is the
place. The label is the scientific name, else the label in a tag that uncia wrote, else the kind of the observation.
`camtrap_events` decides which observation counts. These media are left out and counted: other files than pictures,
media that nobody observed, and media with an unknown content. A medium with a web address is expected beside the
package under its `fileName`, or below `deploymentID/` if several media have that name.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.camtrap_events import (
    CamtrapEvent,
    by_machine,
    deciding,
    is_of_medium,
    split_events,
    tag_of,
)
from uncia_contract.datasets.camtrap_package import CamtrapTables, Line, Row, check_medium
from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.datasets.strongest_label import strongest
from uncia_contract.errors import DataError
from uncia_contract.pictures.other_formats import MEDIA_TYPES
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture

_USED = frozenset({
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "fileName", "fileMediatype", "observationID",
    "eventID", "eventStart", "eventEnd", "observationLevel", "observationType", "scientificName",
    "classificationMethod", "classificationProbability", "observationTags",
})  # fmt: skip
_RULE = BurstRule()
_log = logging.getLogger(__name__)


@dataclass
class _Deployment:
    row: Row
    media: list[Row] = field(default_factory=list)
    observations: list[Row] = field(default_factory=list)


def read_camtrap_dp(
    path: Path,
    positive: Sequence[str] = (),
    zone: tzinfo = UTC,
    rule: BurstRule = _RULE,
    notes: PictureNotes | None = None,
) -> list[LabelledPicture]:
    """The labelled pictures of a package whose media are in its folder or beside its zip.

    A positive label may have underscores for spaces: `Panthera_uncia`. Two log lines say what was left out, and in
    which zone times without an offset were read.

    Args:
        path: the package's folder, its datapackage.json or a zip.
        positive: labels that have precedence where a picture has several.
        zone: the zone of times without an offset, for deployments whose times have none.
        rule: the burst rule for media without an event.
        notes: receives the counts of what is left out.

    Raises:
        DataError: not such a package; a row refers to a missing id; the pictures are inside the zip; none is
            classified; a label differs from a positive one only in writing.
    """
    with CamtrapTables(path, None if zone is UTC else zone) as tables:
        found = _Pictures(tables, positive, notes or PictureNotes())
        deployments = _deployments(tables)
        pictures = found.of(deployments, rule)
        if tables.zone_note:
            _log.warning("%s", tables.zone_note)
    total = sum(len(one.media) for one in deployments.values())
    told = ", ".join(f"{count} {what}" for what, count in sorted(found.left_out.items()))
    if not pictures:
        raise DataError(f"{path}: none of {total} media is a picture that anybody classified ({told or 'no media'})")
    if told or found.machines:
        machines = f" ({found.machines} by a machine alone)" if found.machines else ""
        _log.warning("%s: %d media: %d labelled%s%s", path, total, len(pictures), machines, told and f", {told}")
    return pictures


def _deployments(tables: CamtrapTables) -> dict[str, _Deployment]:
    """The rows of each deployment.

    Raises:
        DataError: an id appears twice, or a row refers to a missing one.
    """
    found: dict[str, _Deployment] = {}
    for line in tables.lines("deployments", ("deploymentID",)):
        if _value(line, "deploymentID") in found:
            raise DataError(f"{line.where}: id {line.row['deploymentID']!r} is there twice")
        found[line.row["deploymentID"]] = _Deployment(line.row)
    media: dict[str, str] = {}
    for line in tables.lines("media", ("mediaID", "deploymentID", "timestamp", "filePath", "fileMediatype")):
        _value(line, "filePath")
        if _value(line, "mediaID") in media:
            raise DataError(f"{line.where}: id {line.row['mediaID']!r} is there twice")
        _of(line, found, tables).media.append(_used(line.row))
        media[line.row["mediaID"]] = line.row["deploymentID"]
    for line in tables.lines("observations", ("deploymentID", "mediaID", "eventID", "observationType")):
        _of(line, found, tables).observations.append(_used(line.row))
        if "mediaID" in line.row:
            check_medium(line, media.get(line.row["mediaID"]), tables)
    return found


def _of(line: Line, deployments: dict[str, _Deployment], tables: CamtrapTables) -> _Deployment:
    known = _value(line, "deploymentID")
    if known not in deployments:
        raise DataError(f"{line.where}: deploymentID {known!r} is not in {tables.where('deployments')}")
    return deployments[known]


def _used(row: Row) -> Row:
    """The row with only the columns that are used, so that EXIF and comments do not fill the memory."""
    return {name: value for name, value in row.items() if name in _USED}


def _value(line: Line, column: str) -> str:
    if column not in line.row:
        raise DataError(f"{line.where}: {column} is empty")
    return line.row[column]


class _Pictures:
    """Makes labelled pictures of media, and counts what is left out."""

    def __init__(self, tables: CamtrapTables, positive: Sequence[str], notes: PictureNotes) -> None:
        self.tables, self.positive, self._notes = tables, positive, notes
        self.left_out: Counter[str] = Counter()
        self.machines = 0  # pictures whose label comes from a machine
        self._labels: dict[str, str] = {}  # each label that is used, with the id of an observation

    def of(self, deployments: dict[str, _Deployment], rule: BurstRule) -> list[LabelledPicture]:
        """The pictures, deployment by deployment, in the order of the tables."""
        files = media_files([row for one in deployments.values() for row in one.media])
        split = {known: split_events(one.media, one.observations, rule) for known, one in deployments.items()}
        names = Counter(name for events in split.values() for name in {_name(event) for event in events})
        found = []
        for known, events in split.items():
            labelled: dict[str, tuple[str, str]] = {}
            for event in events:
                name = _name(event)
                sequence = f"{known} {name}" if names[name] > 1 else name  # ids are unique only within a deployment
                labelled |= {row["mediaID"]: (label, sequence) for row, label in self._labelled(event)}
            found += [
                self._picture(row, files[row["mediaID"]], deployments[known].row, *labelled[row["mediaID"]])
                for row in deployments[known].media
                if row["mediaID"] in labelled
            ]
        where = self.tables.where("observations")
        check_labels(((label, f"{where}: {known}") for label, known in self._labels.items()), self.positive)
        return found

    def _labelled(self, event: CamtrapEvent) -> Iterator[tuple[Row, str]]:
        """Each labelled picture of the event with its label; media without one are counted."""
        own: dict[str, list[Row]] = {}
        for row in event.observations:
            if is_of_medium(row):
                own.setdefault(row["mediaID"], []).append(row)
        whole = event.whole
        for row in event.media:
            kind = row.get("fileMediatype", "unknown").partition(";")[0].strip().lower()
            words = deciding(row, whole, own.get(row["mediaID"], ()))
            said = {label: word for word in words if (label := _label(word, self.positive))}
            if kind not in MEDIA_TYPES:
                self.left_out[f"of type {kind}"] += 1
                self._notes.left_out[_format(kind)] += 1
            elif not said:
                self._notes.left_out[LeftOut.UNLABELLED] += 1
                self.left_out["of which it is unknown what they show" if words else "that nobody classified"] += 1
            else:
                self.machines += by_machine(words[0])
                self._labels |= {label: word.get("observationID", "") for label, word in said.items()}
                yield row, strongest([*said], self.positive)

    def _picture(self, row: Row, file: str, deployment: Row, label: str, sequence: str) -> LabelledPicture:
        if self.tables.files.zipped(file):
            raise DataError(f"{self.tables.files.path}: {file} is inside the zip; unpack it and name its folder")
        return LabelledPicture(
            file=file,
            path=self.tables.files.folder / file,
            label=label,
            sequence=sequence,
            location=deployment.get("locationID", deployment["deploymentID"]),
            datetime=row.get("timestamp", ""),
            source=self.tables.name,
        )


def _format(media_type: str) -> LeftOut:
    """Why a medium of this type is not read."""
    kind, _, name = media_type.partition("/")
    heic = any(part in name for part in ("hei", "avif"))
    return LeftOut.VIDEO if kind == "video" else LeftOut.HEIC if heic else LeftOut.OTHER_FORMAT


def _name(event: CamtrapEvent) -> str:
    """The event's id, else its start and end."""
    return event.id or "/".join(event.whole[0].get(column, "") for column in ("eventStart", "eventEnd"))


def _label(row: Row, positive: Sequence[str]) -> str:
    """The label of an observation; "" where it is not known what it shows."""
    kind, tag = row["observationType"], tag_of(row) or ""
    name = row.get("scientificName", "") if kind == "animal" else ""
    known = {text.replace("_", " ") for text in (name, tag) if text}
    ours = next((label for label in positive if label.replace("_", " ") in known), "")
    return ours or name or tag or ("" if kind == "unknown" else kind)


def media_files(media: Sequence[Row]) -> dict[str, str]:
    """The expected file of each medium by its id, relative to the package; media with an address never share a file."""
    found = {row["mediaID"]: row["filePath"] for row in media}
    remote = {row["mediaID"]: row for row in media if "://" in row["filePath"]}
    found |= {known: row.get("fileName") or _last_part(row["filePath"]) for known, row in remote.items()}
    for folder in ("{deploymentID}/{name}", "{deploymentID}/{mediaID}/{name}"):
        taken = Counter(found.values())
        for known, row in remote.items():
            if taken[found[known]] > 1:
                name = row.get("fileName") or _last_part(row["filePath"])
                found[known] = folder.format(deploymentID=row["deploymentID"], mediaID=known, name=name)
    return found


def _last_part(address: str) -> str:
    """The file name at the end of a web address; urllib's `urlsplit` would refuse some addresses (`http://[::1`)."""
    path = re.split("[?#]", address.partition("://")[2])[0].partition("/")[2]
    return unquote(PurePosixPath(path).name)
