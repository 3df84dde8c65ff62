"""What is exported, in one pass over the catalogue: sequences with their stored frames and where they were taken.

Decides what people's opinions make of a sequence's label, and how coordinates are coarsened:
#1 rounded to 0.1 degree, the uncertainty grown by half that cell's diagonal, names and comments of places left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil
from typing import Any

from sqlalchemy import Connection, select, tuple_

from uncia_collector.catalogue.gallery import ORDER, SHOWN
from uncia_collector.catalogue.schema import deployments, frames, reviews, sequences
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.imports.event import ImportedEvent, unpack

COARSE_DEGREES = 0.1
_HALF_DIAGONAL_M = COARSE_DEGREES / 2 * 111_320 * 2**0.5
BATCH = 500
EMPTY_LABELS = frozenset({"empty", "blank", "nothing"})


@dataclass(frozen=True)
class Place:
    """A deployment as it may be exported."""

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
    standard: bytes | None = None  # the row as an imported survey had it


@dataclass(frozen=True)
class ExportedSequence:
    """One sequence: its row, its stored frames in order, its standing review, its place."""

    row: Any
    frames: list[Any]
    opinion: Any | None
    place: Place | None
    event: ImportedEvent | None = None  # of an imported survey: its rows as they came

    @property
    def label(self) -> str:
        """What it shows, as far as anybody knows: the reviewer's label before the model's."""
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

    @cached_property
    def labels(self) -> dict[int, str]:
        """What people said of single frames: of an imported survey, unless somebody here said otherwise of it all."""
        here = self.opinion is not None and self.opinion.observation is None
        return {} if self.event is None or here else self.event.labels()


def exported_sequences(
    connection: Connection, exact: bool = False, reviewed_only: bool = False
) -> Iterator[ExportedSequence]:
    """Every sequence, oldest first."""
    found = places(connection, exact)
    by_id = {place.id: place for place in found}
    after: tuple[Any, ...] | None = None
    while rows := _rows(connection, after, reviewed_only):
        keys = [(row.trap, row.id) for row in rows]
        of_frames, of_opinions, events = (
            _frames(connection, keys),
            _opinions(connection, keys),
            _events(connection, rows),
        )
        for row in rows:
            key = (row.trap, row.id)
            event = events.get(key)
            place = _place_of(found, row) if event is None else by_id.get(event.deployment)
            yield ExportedSequence(row, of_frames.get(key, []), of_opinions.get(key), place, event)
        after = (rows[-1].started_at, rows[-1].trap, rows[-1].id)


def places(connection: Connection, exact: bool = False) -> list[Place]:
    """The deployments, coarsened (#1) unless `exact`."""
    rows = connection.execute(select(deployments).order_by(deployments.c.trap, deployments.c.started_at))
    whole = [Place(**row._mapping) for row in rows]
    return whole if exact else [_coarse(place) for place in whole]


def _coarse(place: Place) -> Place:
    return Place(
        **{name: getattr(place, name) for name in ("id", "trap", "location_id", "started_at", "ended_at", "setup_by")},
        camera_model=place.camera_model,
        origin=place.origin,
        standard=place.standard,
        location_name="",
        comments="",
        latitude=round(round(place.latitude / COARSE_DEGREES) * COARSE_DEGREES, 1),
        longitude=round(round(place.longitude / COARSE_DEGREES) * COARSE_DEGREES, 1),
        uncertainty_m=ceil(_HALF_DIAGONAL_M) + (place.uncertainty_m or 0),
    )


def _place_of(found: list[Place], row: Any) -> Place | None:
    fitting = [
        place
        for place in found
        if place.trap == row.trap
        and place.started_at <= row.started_at
        and (place.ended_at is None or row.started_at <= place.ended_at)
    ]
    return fitting[-1] if fitting else None


def _rows(connection: Connection, after: tuple[Any, ...] | None, reviewed_only: bool) -> list[Any]:
    query = select(*SHOWN).order_by(*ORDER).limit(BATCH)
    if after is not None:
        query = query.where(tuple_(*ORDER) > tuple_(*after, types=[column.type for column in ORDER]))
    if reviewed_only:
        query = query.where(sequences.c.review != "open")
    return [*connection.execute(query)]


def _frames(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], list[Any]]:
    query = select(frames).where(of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == "stored")
    found: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(query.order_by(frames.c.n)):
        found.setdefault((row.trap, row.sequence), []).append(row)
    return found


def _events(connection: Connection, rows: list[Any]) -> dict[tuple[str, str], ImportedEvent]:
    keys = [(row.trap, row.id) for row in rows if row.origin]
    if not keys:
        return {}
    query = select(sequences.c.trap, sequences.c.id, sequences.c.record)
    found = connection.execute(query.where(of_sequences(sequences.c.trap, sequences.c.id, keys)))
    return {(row.trap, row.id): unpack(row.record) for row in found}


def _opinions(connection: Connection, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    query = select(reviews).where(of_sequences(reviews.c.trap, reviews.c.sequence, keys), reviews.c.undone.is_(False))
    found = connection.execute(query.order_by(reviews.c.observation.is_(None), reviews.c.key))  # the last one stands
    return {(row.trap, row.sequence): row for row in found}
