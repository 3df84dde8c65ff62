"""Writes a scored archive as a Camtrap DP 1.0.2 package (https://camtrap-dp.tdwg.org).

Decides how scores become rows of the standard. #1 A trap's folder belongs to the deployments whose `cameraID`,
`deploymentID` or `locationID` (in this order) is its path or its name; of several, the one whose time contains the
picture's. #2 Every observation is by a machine and of one picture; there is none of an event, because people's tools
take such an observation as final. #3 A picture that was not scored is `unclassified`; one that could not be read has no
observation. #4 Pictures without a time, or outside all deployments of their trap, are left out and counted. #5 Times
keep the zone of the cameras' clocks. #6 Paths stay inside the package: `media` in it is a link to an archive that lies
elsewhere; the archive is only read.
"""

import json
import mimetypes
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from uncia_contract.archive.camtrap_deployments import deployment_row, read_deployment_rows
from uncia_contract.archive.camtrap_tables import (
    BASE,
    Row,
    bounds,
    box,
    machine_answer,
    resource,
    write_table,
)
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.species import SPECIES
from uncia_contract.archive.visits import Archive
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import replacing, storage_errors
from uncia_contract.model.bundle import Bundle
from uncia_contract.pictures.picture_files import printable
from uncia_training.datasets.storage import is_address

MEDIA = "media"
_DESCRIBED = "Scored by "  # the start of the description of a package that uncia wrote


@dataclass(frozen=True)
class Deployment:
    """A row of deployments.csv: the cells as `written`, and the values read from them (`told`)."""

    id: str
    told: dict[str, Any]
    written: dict[str, str]

    def holds(self, moment: datetime) -> bool:
        """Whether the camera stood there at this time."""
        ended: datetime | None = self.told["ended_at"]
        return bool(self.told["started_at"] <= moment and (ended is None or moment <= ended))


@dataclass
class Deployments:
    """The deployments of each trap of the archive, in order of time (#1)."""

    by_trap: dict[str, list[Deployment]]

    def of(self, trap: str, moment: datetime) -> Deployment | None:
        """The deployment of a picture, or None (#4); a trap's only deployment is taken for any time."""
        found = self.by_trap[trap]
        return found[0] if len(found) == 1 else next((one for one in found if one.holds(moment)), None)


def deployments_of(archive: Archive, path: Path) -> Deployments:
    """The deployments of an archive's traps, read from deployments.csv.

    Raises:
        DataError: the table is not valid, or has no row for the folder of a trap.
    """
    zone, found = archive.zone or UTC, dict[str, list[Deployment]]()
    ids: Counter[str] = Counter()
    for number, line in read_deployment_rows(path):
        told = deployment_row(line, number, path, zone)
        one = Deployment(line["deploymentID"], told, line)
        ids[one.id] += 1
        if ids[one.id] > 1 or not one.id:
            raise DataError(f"{path}, line {number}: deploymentID {one.id!r} is empty or there twice; make it unique")
        for name in {line.get("cameraID") or one.id, one.id, line.get("locationID") or one.id}:
            found.setdefault(name, []).append(one)
    traps = [printable(trap) for trap in archive.traps]
    by_trap = {trap: found.get(trap) or found.get(trap.rpartition("/")[2], []) for trap in traps}
    if lacking := [trap or "(the archive itself)" for trap in traps if not by_trap[trap]]:
        told_names = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        raise DataError(
            f"{path}: no row for the folder {told_names}; its name is expected as cameraID, deploymentID or locationID"
        )
    return Deployments({trap: sorted(some, key=lambda one: one.told["started_at"]) for trap, some in by_trap.items()})


def refuse_unzoned(archive: Archive, rule: BurstRule, workers: int) -> None:
    """Reads the times of all pictures, if no zone is given.

    Raises:
        DataError: a picture's time has no UTC offset.
    """
    for trap in archive.traps if archive.zone is None else ():
        for sequence in archive.sequences(trap, rule, "", workers):
            for name, at in zip(sequence.names, sequence.times, strict=True):
                if at is not None and at.tzinfo is None:
                    raise DataError(
                        f"{name}: its time has no UTC offset, and Camtrap DP needs one; give --utc-offset, such as 5.5"
                    )


@dataclass
class CamtrapPackage:
    """A package in a folder of its own."""

    folder: Path
    archive: Archive
    place: str
    deployments: Deployments
    left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Determines the paths from the package to the pictures (#6).

        Raises:
            DataError: the package would lie in the archive, or replace another package.
        """
        self._refuse_other_package()
        self._link: Path | None = None
        self._prefix = self.place.rstrip("/") + "/"
        if is_address(self.place):
            return
        here, pictures = self.folder.resolve(), Path(self.place).resolve()
        if here == pictures or here.is_relative_to(pictures):
            raise DataError(f"--camtrap-dp {self.folder}: lies in the archive, which is only read; give another folder")
        if pictures.is_relative_to(here):
            self._prefix = pictures.relative_to(here).as_posix() + "/"
        else:
            self._link, self._prefix = pictures, f"{MEDIA}/"

    def _refuse_other_package(self) -> None:
        path = self.folder / "datapackage.json"
        with storage_errors(path):
            other = path.exists() and f'"description": "{_DESCRIBED}' not in path.read_text(encoding="utf-8")
        if other or (not path.exists() and (self.folder / "deployments.csv").exists()):
            raise DataError(f"--camtrap-dp {self.folder}: contains tables of another program; give another folder")

    def write(self, pictures: Iterable[ScoredPicture], bundle: Bundle, now: datetime) -> Path:
        """Writes tables and description; the path of the description. `pictures` is iterated several times.

        Raises:
            DataError: a name that the standard forbids, or no picture to write.
            StorageError: the folder cannot be written.
        """
        self.left_out.clear()
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._place_link()
        last, unsure = self._spans(pictures)
        if not last:
            raise DataError(f"{self.folder}: no picture was taken during a deployment; a package needs one")
        self._table("media", lambda: (self._media(*known) for known in self._placed(pictures)))
        self._table("observations", lambda: self._observations(pictures, bundle, now))
        used = [one for some in self.deployments.by_trap.values() for one in some if one.id in last]
        used = list({one.id: one for one in used}.values())
        self._table("deployments", lambda: (self._deployment(one, last, unsure) for one in used))
        described = json.dumps(self._description(used, last, bundle, now), indent=2, ensure_ascii=False) + "\n"
        path = self.folder / "datapackage.json"
        with storage_errors(path), replacing(path) as stream:
            stream.write(described.encode())
        return path

    def _place_link(self) -> None:
        link = self.folder / MEDIA
        if self._link is None or (link.is_symlink() and link.resolve() == self._link):
            return
        try:
            link.symlink_to(self._link)
        except OSError as error:
            raise StorageError(
                f"{link}: cannot be made a link to {self._link} ({error.strerror}); give an empty folder, or one that "
                "the archive lies in"
            ) from error

    def _spans(self, pictures: Iterable[ScoredPicture]) -> tuple[dict[str, datetime], set[str]]:
        """The time of each deployment's last picture; the ids of deployments with pictures outside their time."""
        last: dict[str, datetime] = {}
        unsure: set[str] = set()
        for picture in pictures:
            found = None if picture.taken_at is None else self.deployments.of(picture.trap, picture.taken_at)
            if picture.taken_at is None or found is None:
                self.left_out["without a time" if picture.taken_at is None else "outside every deployment"] += 1
                continue
            last[found.id] = max(picture.taken_at, last.get(found.id, picture.taken_at))
            if not found.holds(picture.taken_at):
                unsure.add(found.id)
        return last, unsure

    def _placed(self, pictures: Iterable[ScoredPicture]) -> Iterator[tuple[ScoredPicture, Deployment, str]]:
        for picture in pictures:
            found = None if picture.taken_at is None else self.deployments.of(picture.trap, picture.taken_at)
            if picture.taken_at is not None and found is not None:
                yield picture, found, self._time(picture.taken_at)

    def _time(self, moment: datetime) -> str:
        """#5."""
        zone: tzinfo | None = self.archive.zone
        return (moment.astimezone(zone) if zone else moment).isoformat(timespec="seconds")

    def _media(self, picture: ScoredPicture, deployment: Deployment, at: str) -> Row:
        path = self._prefix + picture.file
        if ".." in path or path[0] in "./~":
            raise DataError(f"{picture.file}: Camtrap DP takes no path with '..'; rename the picture")
        kind = mimetypes.guess_type(picture.file)[0] or "image/jpeg"
        return {
            "mediaID": picture.file, "deploymentID": deployment.id, "captureMethod": "activityDetection",
            "timestamp": at, "filePath": path, "filePublic": "false", "fileName": picture.file.rpartition("/")[2],
            "fileMediatype": kind if kind.startswith("image/") else "image/jpeg",
            "mediaComments": picture.failure or (f"damaged: {picture.damaged}" if picture.damaged else ""),
        }  # fmt: skip

    def _observations(self, pictures: Iterable[ScoredPicture], bundle: Bundle, now: datetime) -> Iterator[Row]:
        """#2, #3."""
        by = {
            "observationLevel": "media", "classificationMethod": "machine",
            "classifiedBy": f"{bundle.manifest.name} {bundle.manifest.version}",
            "classificationTimestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }  # fmt: skip
        for picture, deployment, at in self._placed(pictures):
            if picture.failure is None:
                yield by | _answer(picture) | {
                    "observationID": f"{picture.file}:machine", "deploymentID": deployment.id, "mediaID": picture.file,
                    "eventID": picture.sequence, "eventStart": at, "eventEnd": at,
                }  # fmt: skip

    def _deployment(self, one: Deployment, last: dict[str, datetime], unsure: set[str]) -> Row:
        known = {name: text for name, text in one.written.items() if name in COLUMNS["deployments"]}
        started, ended = one.told["started_at"], one.told["ended_at"]
        return {
            **known,
            "deploymentStart": self._time(started), "deploymentEnd": self._time(ended or max(started, last[one.id])),
            "timestampIssues": "true" if one.id in unsure else known.get("timestampIssues", ""),
        }  # fmt: skip

    def _table(self, name: str, rows: Callable[[], Iterable[Row]]) -> None:
        path = self.folder / f"{name}.csv"
        with storage_errors(path), replacing(path) as stream:
            write_table(stream, COLUMNS[name], rows())

    def _description(
        self, used: list[Deployment], last: dict[str, datetime], bundle: Bundle, now: datetime
    ) -> dict[str, Any]:
        starts = [one.told["started_at"] for one in used]
        ends = [one.told["ended_at"] or max(one.told["started_at"], last[one.id]) for one in used]
        title = Path(self.place).name or "archive"
        left = ", ".join(f"{count} pictures {why}" for why, count in sorted(self.left_out.items())) or "nothing"
        return {
            "profile": BASE + "camtrap-dp-profile.json",
            "name": "uncia-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower()),
            "title": title,
            "description": f"{_DESCRIBED}{bundle.manifest.name} {bundle.manifest.version}, one answer of a machine a "
            f"picture; nobody has reviewed it. Left out: {left}.",
            "created": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "contributors": [{"title": "uncia", "role": "contributor"}],
            "resources": [resource(name) for name in ("deployments", "media", "observations")],
            "project": {
                "title": title, "samplingDesign": "opportunistic", "captureMethod": ["activityDetection"],
                "individualAnimals": False, "observationLevel": ["media"],
            },
            "spatial": bounds((one.told["latitude"], one.told["longitude"]) for one in used),
            "temporal": {"start": f"{min(starts):%Y-%m-%d}", "end": f"{max(ends):%Y-%m-%d}"},
            "taxonomic": [{"scientificName": SPECIES.get(one, one)} for one in bundle.manifest.positive_labels],
        }  # fmt: skip


def _answer(picture: ScoredPicture) -> Row:
    if picture.score is None or picture.threshold is None:
        told = "not scored: its sequence could no longer become positive"
        return {"observationType": "unclassified", "observationComments": told}
    positive = picture.score >= picture.threshold
    answer = machine_answer(picture.label, positive, picture.score, picture.probabilities)
    return answer | (box(*picture.region) if positive and picture.region else {})
