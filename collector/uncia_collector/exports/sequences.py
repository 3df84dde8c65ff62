"""Reads the sequences to export in one pass over the catalogue, with their stored frames, answers and places.

Decides which label an exported sequence has, and how coordinates are coarsened:
#1 They are rounded to 0.1 degree, and the uncertainty grows by half the diagonal of that cell. Names and comments of
   places are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from uncia_collector.catalogue.access.people_in_pictures import shows_people
from uncia_collector.catalogue.events.finding import events_by_label
from uncia_collector.catalogue.listing import pages_of_sequences, stored_frames
from uncia_collector.catalogue.review import observations_of
from uncia_collector.catalogue.schema import deployments, sequences
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.imports.event import ImportedEvent, unpack
from uncia_collector.observations.checklist import Checklist
from uncia_collector.observations.standing import standing
from uncia_contract.messages.records import hub_of

COARSE_DEGREES = 0.1
_HALF_DIAGONAL_M = COARSE_DEGREES / 2 * 111_320 * 2**0.5
EMPTY_LABELS = frozenset({"empty", "blank", "nothing"})


@dataclass(frozen=True)
class Place:
    """A deployment as it is exported: with exact or with coarse coordinates (#1)."""

    id: str
    trap: str
    location_id: str
    location_name: str
    latitude: float
    longitude: float
    uncertainty_m: int | None
    started_at: datetime
    ended_at: datetime | None
    setup_by: str
    camera_model: str
    comments: str
    origin: str = ""
    clock_shift_s: float = 0.0
    standard: bytes | None = None  # the row of an imported survey, as JSON


@dataclass(frozen=True)
class ExportedSequence:
    """One sequence: its row, its stored frames in order, the observations that count, its place."""

    row: Any
    frames: list[Any]
    observations: list[Any]
    place: Place | None
    event: ImportedEvent | None = None  # the rows of an imported survey, unchanged
    groups: dict[str, Any] = field(default_factory=dict)  # its events by label and by taxon, the main one first
    hidden: bool = False  # it shows people, and their pictures are left out
    speaks_for: frozenset[str] = frozenset()  # labels of the events that this sequence represents

    @property
    def label(self) -> str:
        """What it shows: the reviewer's label, else the model's (with `not_` if negative)."""
        match self.row.review:
            case "relabelled":
                return str(self.row.review_label)
            case "rejected":
                return f"not_{self.row.label}"
            case "confirmed":
                return str(self.row.label)
        if self.event is not None:
            return self.event.machine_label
        return str(self.row.label) if self.row.positive else f"not_{self.row.label}"

    @property
    def shown(self) -> list[tuple[str, int | None]]:
        """(label, count) of each taxon that people named, the count if they gave one; `label` if they named none."""
        named = [one for one in self.observations if one.taxon is not None]
        if len(named) < 2:
            return [(self.label, named[0].count if named else None)]
        return [(self.row.label if one.verdict == "confirmed" else one.taxon, one.count) for one in named]

    def group(self, said: Any = None) -> Any:
        """The event of `catalogue.events` of the observation `said`; without one, the main event of the sequence."""
        label = None if said is None else self.row.label if said.verdict == "confirmed" else said.taxon
        return self.groups.get(str(label)) or next(iter(self.groups.values()))

    def event_id(self, said: Any = None) -> str:
        """The id of its event (`group`) in exports: the same for all sequences of one event."""
        return f"{self.row.trap}:{self.group(said).first}"

    @property
    def location(self) -> str:
        """The location id of its deployment; without a deployment, the trap's id."""
        camera = f"/{self.row.camera}" if self.row.camera else ""
        return f"{self.row.trap}{camera}" if self.place is None else self.place.location_id

    def taken_at(self, frame: Any) -> datetime:
        """When a frame was taken; the sequence's start if that is unknown."""
        time: datetime = frame.taken_at or self.row.started_at
        return time

    @cached_property
    def labels(self) -> dict[int, str]:
        """People's labels of single frames, by frame number: a survey's; empty if somebody here has answered."""
        return {} if self.event is None or self.said_here else self.event.labels()

    @property
    def said_here(self) -> list[Any]:
        """The observations that count and are from people here, not from a survey."""
        return [row for row in self.observations if row.observation is None]


@dataclass(frozen=True)
class Selection:
    """Which sequences are exported; an empty field selects all."""

    traps: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    reviewed: bool | None = None  # True: only reviewed sequences, False: only the others
    hidden: frozenset[str] = frozenset()  # names (`comparable`) of taxa whose pictures are left out

    def where(self) -> list[ColumnElement[bool]]:
        """The selection as conditions for SQL."""
        found: list[ColumnElement[bool]] = [sequences.c.trap.in_(self.traps)] if self.traps else []
        found += [] if self.since is None else [sequences.c.started_at >= self.since]
        found += [] if self.until is None else [sequences.c.started_at < self.until]
        open_ = sequences.c.review == "open"
        return found + ([] if self.reviewed is None else [~open_ if self.reviewed else open_])

    def takes(self, place: Place) -> bool:
        """Whether sequences of a deployment may be selected."""
        begun = self.until is None or place.started_at < self.until
        ended = self.since is not None and place.ended_at is not None and place.ended_at < self.since
        return begun and not ended and (not self.traps or hub_of(place.trap) in self.traps)


EVERYTHING = Selection()


def exported_sequences(
    connection: Connection, exact: bool = False, only: Selection = EVERYTHING, checklist: Checklist | None = None
) -> Iterator[ExportedSequence]:
    """Yield the sequences of a selection, oldest first; with a checklist, also the events of each (`groups`)."""
    for page in Gatherer(connection, exact, only, checklist).pages():
        yield from page


class Gatherer:
    """Collects what is exported of each sequence: frames, observations, place, events."""

    def __init__(self, connection: Connection, exact: bool, only: Selection, checklist: Checklist | None) -> None:
        self.connection, self.only, self.checklist = connection, only, checklist
        self._places = places(connection, exact)
        self._by_id = {place.id: place for place in self._places}

    def pages(self, *where: ColumnElement[bool]) -> Iterator[list[ExportedSequence]]:
        """The sequences of the selection that pass `where`, oldest first, in lists of some hundreds."""
        return map(self._gather, pages_of_sequences(self.connection, *self.only.where(), *where))

    def _gather(self, rows: list[Any]) -> list[ExportedSequence]:
        """The exported sequences of these rows of the catalogue, in the same order."""
        keys = [(row.trap, row.id) for row in rows]
        of_frames, told = stored_frames(self.connection, keys), observations_of(self.connection, keys)
        events = _events(self.connection, rows)
        groups = {} if self.checklist is None else events_by_label(self.connection, rows)
        found = []
        for row in rows:
            key = (row.trap, row.id)
            event = events.get(key)
            place = _place_of(self._places, row) if event is None else self._by_id.get(event.deployment)
            stands = standing(told.get(key, ()))
            hidden = shows_people(row, stands, self.only.hidden)
            shown = [] if hidden else of_frames.get(key, [])
            of_it = self._by_taxon(groups.get(key, {}), stands)
            found.append(ExportedSequence(row, shown, stands, place, event, of_it, hidden))
        return found

    def _by_taxon(self, groups: dict[str, Any], stands: list[Any]) -> dict[str, Any]:
        """Events by label, and by each taxon of the answer for which the bundle has another label."""
        named = {one.taxon for one in stands if one.taxon is not None} - groups.keys()
        if self.checklist is None or not named:
            return groups
        return groups | {
            taxon: group for taxon in named for label, group in groups.items() if self.checklist.same(label, taxon)
        }


def media_id(frame: Any) -> str:
    """The id of a frame in exports."""
    return f"{frame.trap}:{frame.sequence}:{frame.n}"


def places(connection: Connection, exact: bool = False) -> list[Place]:
    """All deployments, coarsened (#1) unless `exact`."""
    rows = connection.execute(select(deployments).order_by(deployments.c.trap, deployments.c.started_at))
    whole = [Place(**row._mapping) for row in rows]
    return whole if exact else [_coarse(place) for place in whole]


def _coarse(place: Place) -> Place:
    return Place(
        **{name: getattr(place, name) for name in ("id", "trap", "location_id", "started_at", "ended_at", "setup_by")},
        camera_model=place.camera_model,
        origin=place.origin,
        clock_shift_s=place.clock_shift_s,
        standard=place.standard,
        location_name="",
        comments="",
        latitude=round(round(place.latitude / COARSE_DEGREES) * COARSE_DEGREES, 1),
        longitude=round(round(place.longitude / COARSE_DEGREES) * COARSE_DEGREES, 1),
        uncertainty_m=ceil(_HALF_DIAGONAL_M) + (place.uncertainty_m or 0),
    )


def _place_of(found: list[Place], row: Any) -> Place | None:
    """The deployment of the sequence's camera, else of its trap, at that time; the later one if two overlap."""
    names = (f"{row.trap}/{row.camera}", row.trap) if row.camera else (row.trap,)
    for name in names:
        fitting = [place for place in found if place.trap == name and _holds(place, row.started_at)]
        if fitting:
            return fitting[-1]
    return None


def _holds(place: Place, moment: datetime) -> bool:
    return place.started_at <= moment and (place.ended_at is None or moment <= place.ended_at)


def _events(connection: Connection, rows: list[Any]) -> dict[tuple[str, str], ImportedEvent]:
    keys = [(row.trap, row.id) for row in rows if row.origin]
    if not keys:
        return {}
    query = select(sequences.c.trap, sequences.c.id, sequences.c.record, sequences.c.clock_shift_s)
    found = connection.execute(query.where(of_sequences(sequences.c.trap, sequences.c.id, keys)))
    return {(row.trap, row.id): _corrected(unpack(row.record), row.clock_shift_s) for row in found}


def _corrected(event: ImportedEvent, shift_s: float) -> ImportedEvent:
    return event.moved(timedelta(seconds=shift_s)) if shift_s else event
