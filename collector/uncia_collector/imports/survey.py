"""Writes a Camtrap DP package into the catalogue: deployments, sequences, pictures, and all classifications.

Decides how the package joins the catalogue:
#1 Each event becomes one sequence of its camera, with an id made of survey and event. So two surveys never share a
   sequence, and importing a package again changes nothing. A changed package replaces the survey's own rows, never
   the answers given here.
#2 A deployment that this station has keeps the station's row; the same id for another camera or place is refused.
#3 A picture inside the package is stored like a trap's. A picture elsewhere, or a file that is no JPEG, is counted and
   keeps its address.
#4 A sequence that this catalogue exported itself is not imported again; new answers of people elsewhere are.
#5 An event that an earlier import brought (`known_sequences`) keeps its id. A newer package of the same survey, or of
   the catalogue that tagged it, replaces it. From any other package only new answers are stored, and also from a
   package of release 0.1 (which has no tags) if a later package has tagged its sequences.
#6 A picture that was erased here stays erased, and is counted.
An import causes no alert and no audit, and does not count as contact with a trap.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from uncia_collector.catalogue.access.people_in_pictures import ERASED
from uncia_collector.catalogue.clocks.correction import correct_imported
from uncia_collector.catalogue.database import Database, catalogue_id
from uncia_collector.catalogue.review import Key
from uncia_collector.catalogue.schema import deployments, frames, observations, sequences, surveys
from uncia_collector.catalogue.sql import of_sequences, upsert
from uncia_collector.imports.event import ImportedEvent, pack
from uncia_collector.imports.known_sequences import KnownSequence, KnownSequences, names_of
from uncia_collector.imports.opinions import own_key, store_answers, store_new_answers
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.ingest.frame_folder import FrameFolder, frame_path
from uncia_collector.ingest.record_rows import picture_size
from uncia_collector.observations.checklist import Checklist, shipped_checklist
from uncia_contract.archive.camtrap_deployments import moment
from uncia_contract.datasets.camtrap_package import Row
from uncia_contract.errors import DataError

EVENTS_AT_ONCE = 50
ROUNDED_DEGREES = 0.2  # exports round to 0.1 degree; two roundings of one place may differ by this much


@dataclass
class ImportCounts:
    """What an import counted. `found` is how many media the package lists.

    `found` = `media` + `media_ours` + `media_known`, and `media` = stored + elsewhere + missing + unusable + erased.
    """

    deployments: int = 0
    sequences: int = 0
    unchanged: int = 0  # sequences that were here already, as they are
    ours: int = 0  # events that this catalogue exported itself: not imported again
    answers: int = 0  # new observations of people elsewhere, of sequences that were here already
    found: int = 0
    media_ours: int = 0  # media of `ours`
    media_known: int = 0  # media of sequences that another package brought before
    media: int = 0
    media_stored: int = 0
    media_elsewhere: int = 0  # at an address
    media_missing: int = 0  # not in the package
    media_unusable: int = 0  # no JPEG
    media_erased: int = 0  # erased here before, and so not stored again
    observations: int = 0

    @property
    def summary(self) -> str:
        """The counts in one line."""
        return (
            f"{self.deployments} deployments, {self.observations} observations, "
            f"{self.sequences} sequences ({self.unchanged} known before; {self.ours} of our own left out"
            f"{f', with {self.answers} new observations of others' if self.answers else ''}), "
            f"{self.found} media: {self.media_stored} stored + {self.media_elsewhere} at an address + "
            f"{self.media_missing} not in the package + {self.media_unusable} no JPEG + {self.media_ours} of our own"
            f"{f' + {self.media_known} of sequences known before' if self.media_known else ''}"
            f"{f' + {self.media_erased} erased here before, not stored again' if self.media_erased else ''}"
        )


@dataclass
class _Sequence:
    """An event and the rows that it becomes in the catalogue."""

    event: ImportedEvent
    trap: str
    camera: str  # of a hub; empty for the trap itself
    id: str
    record: bytes
    certain: bool  # the deployment names no timestampIssues
    rows: list[dict[str, Any]]
    erased: frozenset[tuple[str, ...]]  # names of pictures that were erased here

    @property
    def key(self) -> Key:
        return self.trap, self.id

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the record and the stored pictures: equal if nothing has changed."""
        stored = ",".join(str(row["n"]) for row in self.rows if row["status"] in {"stored", ERASED})
        return hashlib.sha256(self.record + stored.encode()).hexdigest()


class SurveyImport:
    """The import of one package into one catalogue."""

    def __init__(
        self,
        package: CamtrapPackage,
        database: Database,
        folder: FrameFolder,
        now: datetime,
        checklist: Checklist | None = None,
    ) -> None:
        """Prepare the import; nothing is written before `run`.

        Args:
            package: what to import.
            database: the catalogue.
            folder: where pictures are stored.
            now: noted as the time of the import.
            checklist: the station's, in place of the shipped one.
        """
        self.package, self.database, self.folder, self.now = package, database, folder, now
        self.checklist = checklist or shipped_checklist()
        self.counts = ImportCounts(found=package.media)
        self._shifts: dict[str, float] = {}  # of deployments whose clock was corrected here
        self._taken: set[str] = set()  # ids that events of the present deployment have

    def run(self) -> ImportCounts:
        """Import the package, `EVENTS_AT_ONCE` at a time; run an interrupted import again to finish it.

        Raises:
            DataError: a deployment's id belongs to another camera or place in this catalogue.
            StorageError: the data folder cannot be written.
        """
        traps = self._places()
        for row, standard in self.package.deployments:
            found, (trap, _, camera) = self.package.events(row["id"]), traps[row["id"]].partition("/")
            with self.database.reading() as connection:
                known = KnownSequences(connection, trap, row["id"], self.folder.root)
            self._taken.clear()
            while some := [*islice(found, EVENTS_AT_ONCE)]:
                self._take(some, camera, standard.get("timestampIssues") != "true", known)
        with self.database.writing() as connection:
            connection.execute(upsert(connection, surveys, survey := self._survey(), ["name"], [*survey][1:]))
        return self.counts

    def _places(self) -> dict[str, str]:
        """Write the deployments (#2); return the trap (of a hub: `trap/camera`) of each, by the deployment's id."""
        traps = {row["id"]: trap_of(row["trap"]) for row, _ in self.package.deployments}
        with self.database.writing() as connection:
            known = {row.id: row for row in connection.execute(select(deployments))}
            for row, standard in self.package.deployments:
                there = known.get(row["id"])
                self._shifts[row["id"]] = 0.0 if there is None else there.clock_shift_s
                if there is not None and there.trap not in (row["trap"], traps[row["id"]]):
                    raise DataError(
                        f"deployment {row['id']!r} of {self.package.title!r}: its camera is {row['trap']!r}, but this "
                        f"station's deployment of the same id has camera {there.trap!r}; rename one of them"
                    )
                if there is not None and there.origin != self.package.name:
                    _check_place(there, row, self.package.title)
                    traps[row["id"]] = there.trap
                    continue
                kept = row | {"trap": traps[row["id"]], "origin": self.package.name}
                kept["standard"] = json.dumps(standard).encode()
                connection.execute(upsert(connection, deployments, kept, ["id"], [*kept][1:]))
        self.counts.deployments = len(traps)
        return traps

    def _survey(self) -> dict[str, Any]:
        described = {name: value for name, value in self.package.description.items() if name != "resources"}
        counts = self.counts
        return {
            "name": self.package.name, "title": self.package.title, "imported_at": self.now,
            "description": json.dumps(described).encode(), "sequences": counts.sequences, "media": counts.media,
            "media_stored": counts.media_stored, "observations": counts.observations,
        }  # fmt: skip

    def _take(self, events: list[ImportedEvent], camera: str, certain: bool, known: KnownSequences) -> None:
        trap = known.trap
        there: list[tuple[ImportedEvent, Key]] = []  # here already: only new answers are stored
        coming: list[_Sequence] = []
        with self.database.reading() as connection:
            catalogue = catalogue_id(connection)
            for event in events:
                if (key := self._own(connection, event, catalogue)) is not None:
                    there.append((event, key))
                    continue
                found = known.find(connection, event, self.package)
                if self._is_copy(event, found):
                    if len(found) == 1:  # an answer about several sequences together is an answer to none of them
                        there.append((event, (trap, found[0].id)))
                    continue
                id_here = self._id_of(event, found)
                rows, erased = _frames(event, trap, id_here), known.erased_names(found)
                coming.append(_Sequence(event, trap, camera, id_here, pack(event), certain, rows, erased))
            stored = _stored(connection, [sequence.key for sequence in coming])
        self.folder.put(file for sequence in coming for file in self._files(sequence, stored, known.erased))
        with self.database.writing() as connection:
            self._write(connection, coming)
            for event, key in there:
                self.counts.answers += store_new_answers(connection, key, event, self.checklist)

    def _is_copy(self, event: ImportedEvent, found: list[KnownSequence]) -> bool:
        """Whether an event is here already and this package may not replace it (#5); counts it if so."""
        if not found:
            return False
        mark = event.sequence.partition("/")[0]
        same = found[0].survey == self.package.name or (mark != "" and self.package.name.startswith(mark))
        if same and (event.sequence or not found[0].tag):
            return False
        self.counts.sequences += 1
        self.counts.unchanged += 1
        self.counts.media_known += len(event.media)
        return True

    def _id_of(self, event: ImportedEvent, found: list[KnownSequence]) -> str:
        """The id of an event's sequence here (#5).

        A package may split a known sequence into several, or give its event's id to another one: the first event
        keeps the id of the sequence, and no two have the same.
        """
        own, known = sequence_of(self.package.name, event), [one.id for one in found]
        wanted = [own, *known] if own in known else [*known, own]
        another = sequence_of(f"{self.package.name}:{own}", event)
        free = next((one for one in wanted if one not in self._taken), another)
        self._taken.add(free)
        return free

    def _own(self, connection: Connection, event: ImportedEvent, catalogue: str) -> tuple[str, str] | None:
        """(trap, id) of the sequence of our own traps that the event is (#4), and count it; None if it is none."""
        key = own_key(event, catalogue)
        if key is None:
            return None
        query = select(sequences.c.id).where(sequences.c.trap == key[0], sequences.c.id == key[1])
        if connection.execute(query.where(sequences.c.origin == "")).first() is None:
            return None
        self.counts.ours += 1
        self.counts.media_ours += len(event.media)
        return key

    def _files(
        self, sequence: _Sequence, stored: dict[tuple[str, str, int], tuple[str, str]], erased: frozenset[str]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each picture to write, and complete the row of each frame (#3)."""
        for media, row in zip(sequence.event.media, sequence.rows, strict=True):
            content = self.package.picture(media["filePath"])
            size = None if content is None else picture_size(content)
            if content is None or size is None:
                self._count_absent(media, content)
                continue
            new = frame_path(sequence.trap, sequence.id, sequence.event.started_at, row["n"])
            there, path = stored.get((sequence.trap, sequence.id, row["n"]), ("", new))  # a stored file stays in place
            row |= {"status": "stored", "path": path, "width": size[0], "height": size[1], "size": len(content)}
            row["sha256"] = hashlib.sha256(content).hexdigest()
            if row["sha256"] in erased or not sequence.erased.isdisjoint(names_of(media)):  # #6
                row |= {"status": ERASED, "path": None}
                self.counts.media_erased += 1
                continue
            self.counts.media_stored += 1
            if there != row["sha256"]:
                yield path, content

    def _count_absent(self, media: Row, content: bytes | None) -> None:
        if content is not None:
            self.counts.media_unusable += 1
        elif "://" in media["filePath"]:
            self.counts.media_elsewhere += 1
        else:
            self.counts.media_missing += 1

    def _write(self, connection: Connection, coming: list[_Sequence]) -> None:
        self.database.lock_sequences(connection, [sequence.key for sequence in coming])
        query = select(sequences.c.trap, sequences.c.id, sequences.c.fingerprint)
        query = query.where(of_sequences(sequences.c.trap, sequences.c.id, [sequence.key for sequence in coming]))
        known = {(row.trap, row.id): row.fingerprint for row in connection.execute(query)}
        for sequence in coming:
            self.counts.sequences += 1
            self.counts.media += len(sequence.event.media)
            self.counts.observations += len(sequence.event.observations)
            if known.get(sequence.key) == sequence.fingerprint:
                self.counts.unchanged += 1
                continue
            self._replace(connection, sequence)
            deployment = sequence.event.deployment
            if shift_s := self._shifts[deployment]:
                correct_imported(connection, sequence.trap, deployment, shift_s, [sequence.id])

    def _replace(self, connection: Connection, sequence: _Sequence) -> None:
        trap, known = sequence.key
        connection.execute(delete(sequences).where(sequences.c.trap == trap, sequences.c.id == known))
        connection.execute(delete(frames).where(frames.c.trap == trap, frames.c.sequence == known))
        of_it = (observations.c.trap == trap, observations.c.sequence == known)
        connection.execute(delete(observations).where(*of_it, observations.c.observation.is_not(None)))
        connection.execute(insert(sequences), [_sequence_row(sequence, self.package.name, self.now)])
        if sequence.rows:
            connection.execute(insert(frames), sequence.rows)
        store_answers(connection, sequence.key, sequence.event, self.checklist)


def _check_place(there: Any, row: dict[str, Any], title: str) -> None:
    """Refuse a deployment whose place differs from the known one by more than rounding explains."""
    if max(abs(there.latitude - row["latitude"]), abs(there.longitude - row["longitude"])) > ROUNDED_DEGREES:
        raise DataError(
            f"deployment {row['id']!r} of {title!r}: stands more than {ROUNDED_DEGREES} degrees away from this "
            "station's deployment of the same id; rename one of them"
        )


def trap_of(camera: str) -> str:
    """The trap id for a camera's name: the name if it is a valid id, else a safe form of it and six digits of its hash.

    The digits keep two cameras apart whose safe forms are equal.
    """
    if re.fullmatch(r"[a-z0-9_-]{1,32}", camera):
        return camera
    mark = hashlib.sha256(camera.encode()).hexdigest()[:6]
    return f"{re.sub('[^a-z0-9_-]+', '-', camera.lower())[:25]}-{mark}"


def sequence_of(survey: str, event: ImportedEvent) -> str:
    """The id of an event's sequence (#1): a safe form of the event's id and twelve digits of a hash."""
    parts = [survey, event.deployment, event.event, *([event.sequence] if event.sequence else [])]
    mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', event.event)[:50]}-{mark}"


def _stored(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str, int], tuple[str, str]]:
    """SHA-256 and path of the stored pictures of these sequences, by trap, sequence and number."""
    query = select(frames.c.trap, frames.c.sequence, frames.c.n, frames.c.sha256, frames.c.path)
    query = query.where(of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == "stored")
    return {(row.trap, row.sequence, row.n): (row.sha256, row.path) for row in connection.execute(query)}


def _frames(event: ImportedEvent, trap: str, sequence: str) -> list[dict[str, Any]]:
    """The rows of an event's frames, before any picture is stored."""
    scores = event.scores()
    rows = []
    for n, media in enumerate(event.media):
        path = media["filePath"]
        score, box = scores.get(media["mediaID"], (None, None))
        row = {"trap": trap, "sequence": sequence, "n": n, "sha256": "", "size": 0, "status": "elsewhere"}
        row |= {"name": (media.get("fileName") or path.rpartition("/")[2])[:255], "score": score, "region": box}
        row |= {"taken_at": moment(media["timestamp"]), "width": None, "height": None}
        rows.append(row | {"path": path if len(path) <= 200 else None})
    return rows


def _sequence_row(sequence: _Sequence, survey: str, now: datetime) -> dict[str, Any]:
    event, machine, rows = sequence.event, sequence.event.machine(), sequence.rows
    confidence = machine.confidence if machine else 0.0
    positive = machine is not None and machine.positive
    best = max(rows, key=lambda row: (row["status"] == "stored", row["score"] or 0.0), default={"n": 0})
    return {
        # Sequences with an uncia's tag get events as a trap's do: one sequence may belong to events of several taxa.
        "trap": sequence.trap, "camera": sequence.camera, "id": sequence.id,
        "event": "" if event.sequence else event.event[:64], "started_at": event.started_at,
        "ended_at": event.ended_at, "received_at": now, "completed_at": now,
        "frames": len(rows), "frames_stored": sum(row["status"] == "stored" for row in rows),
        "frames_scored": sum(row["score"] is not None for row in rows), "best_frame": best["n"],
        "confidence": confidence, "upper_bound": False,
        "threshold": min(0.5, confidence) if positive else max(0.5, confidence), "positive": positive,  # unknown
        "label": event.label, "audit": False, "historical": True,
        "clock_synchronised": sequence.certain, "clock_source": "exif", "bundle": machine.model if machine else "",
        "bundle_version": 0, "bundle_sha256": "", "fingerprint": sequence.fingerprint, "record": sequence.record,
        "review": "open", "origin": survey,
    }  # fmt: skip
