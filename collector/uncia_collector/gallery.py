"""What the page asks of the catalogue: pages of sequences, one sequence, its neighbours.

Decides filters and paging. A page is found by its key (started_at, trap, id), never by counting rows, so that the
thousandth page of a million sequences costs what the first does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, tuple_

from uncia_collector.keys import of_sequences
from uncia_collector.schema import frames, reviews, sequences
from uncia_contract.errors import DataError

PAGE = 48
ORDER = (sequences.c.started_at, sequences.c.trap, sequences.c.id)
SHOWN = tuple(column for column in sequences.c if column.name != "record")
STATES = ("", "open", "doubtful", "confirmed", "rejected", "relabelled", "audit", "incomplete")

Cursor = tuple[datetime, str, str]


@dataclass(frozen=True)
class Filters:
    """What of the catalogue is looked at; empty means everything."""

    trap: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    min_score: float | None = None
    label: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """The filters in a page's address.

        Raises:
            DataError: a date or score that is none.
        """
        try:
            return cls(
                trap=query.get("trap", "")[:64],
                state=query.get("state", "") if query.get("state", "") in STATES else "",
                since=date.fromisoformat(query["since"]) if query.get("since") else None,
                until=date.fromisoformat(query["until"]) if query.get("until") else None,
                min_score=float(query["min_score"]) if query.get("min_score") else None,
                label=query.get("label", "")[:80],
            )
        except ValueError as error:
            raise DataError(f"filter: {error}") from error

    def query(self) -> dict[str, str]:
        """The same as address parts, empty ones left out."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: str(value) for name, value in parts.items() if value not in ("", None)}

    def conditions(self, zone: tzinfo) -> list[ColumnElement[bool]]:
        """As SQL; days begin at noon, for a night is one day here."""
        found: list[ColumnElement[bool]] = []
        if self.trap:
            found.append(sequences.c.trap == self.trap)
        if self.since:
            found.append(sequences.c.started_at >= noon(self.since, zone))
        if self.until:
            found.append(sequences.c.started_at < noon(self.until + timedelta(days=1), zone))
        if self.min_score is not None:
            found.append(sequences.c.confidence >= self.min_score)
        if self.label:
            found.append(or_(sequences.c.review_label == self.label, sequences.c.label == self.label))
        return found + _state_conditions(self.state)


def _state_conditions(state: str) -> list[ColumnElement[bool]]:
    match state:
        case "open":
            return [sequences.c.review == "open", sequences.c.positive.is_(True)]
        case "doubtful":
            return [sequences.c.review == "open", sequences.c.confidence.between(0.35, 0.75)]
        case "confirmed" | "rejected" | "relabelled":
            return [sequences.c.review == state]
        case "audit":
            return [sequences.c.audit.is_(True)]
        case "incomplete":
            return [sequences.c.completed_at.is_(None)]
    return []


def noon(day: date, zone: tzinfo) -> datetime:
    """Noon of a day at the station: where one night ends and the next begins."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)


def night_of(moment: datetime, zone: tzinfo) -> date:
    """The night a moment belongs to, named by the day on which it began."""
    return (moment.astimezone(zone) - timedelta(hours=12)).date()


@dataclass(frozen=True)
class GalleryPage:
    """Sequences, newest first, and where the next page begins."""

    rows: list[Any]
    older: Cursor | None
    newer: Cursor | None


def page(
    connection: Connection, filters: Filters, zone: tzinfo, before: Cursor | None = None, after: Cursor | None = None
) -> GalleryPage:
    """One page: the newest, those older than `before`, or those newer than `after`."""
    query = select(*SHOWN).where(*filters.conditions(zone)).limit(PAGE + 1)
    if after is not None:
        rows = [*connection.execute(_ascending(query.where(_beyond(after, older=False))))]
        more, rows = len(rows) > PAGE, rows[:PAGE][::-1]
        return GalleryPage(rows, cursor(rows[-1]) if rows else None, cursor(rows[0]) if more else None)
    if before is not None:
        query = query.where(_beyond(before, older=True))
    rows = [*connection.execute(_descending(query))]
    more, rows = len(rows) > PAGE, rows[:PAGE]
    newer = cursor(rows[0]) if rows and before is not None else None
    return GalleryPage(rows, cursor(rows[-1]) if more else None, newer)


def neighbours(connection: Connection, row: Any, filters: Filters, zone: tzinfo) -> tuple[Any, Any]:
    """The next newer and the next older sequence under the same filters."""
    base = select(*ORDER).where(*filters.conditions(zone)).limit(1)
    newer = connection.execute(_ascending(base.where(_beyond(cursor(row), older=False)))).one_or_none()
    older = connection.execute(_descending(base.where(_beyond(cursor(row), older=True)))).one_or_none()
    return newer, older


def sequence(connection: Connection, key: tuple[str, str]) -> Any:
    """One sequence with its record, None when there is none."""
    return connection.execute(
        select(sequences).where(sequences.c.trap == key[0], sequences.c.id == key[1])
    ).one_or_none()


def frames_of(connection: Connection, key: tuple[str, str]) -> list[Any]:
    """Its frames in order."""
    query = select(frames).where(frames.c.trap == key[0], frames.c.sequence == key[1]).order_by(frames.c.n)
    return [*connection.execute(query)]


def opinions_of(connection: Connection, key: tuple[str, str]) -> list[Any]:
    """What people said about it, newest first."""
    where = (reviews.c.trap == key[0], reviews.c.sequence == key[1])
    return [*connection.execute(select(reviews).where(*where).order_by(reviews.c.key.desc()).limit(20))]


def first_shown(connection: Connection, rows: list[Any]) -> dict[tuple[str, str], Any]:
    """For each sequence the frame to show: its best one that is stored, else any that is."""
    keys = [(row.trap, row.id) for row in rows]
    if not keys:
        return {}
    wanted = {(row.trap, row.id): row.best_frame for row in rows}
    query = select(frames.c.trap, frames.c.sequence, frames.c.n, frames.c.region).where(
        of_sequences(frames.c.trap, frames.c.sequence, keys), frames.c.status == "stored"
    )
    shown: dict[tuple[str, str], Any] = {}
    for row in connection.execute(query.order_by(frames.c.n)):
        key = (row.trap, row.sequence)
        if key not in shown or row.n == wanted[key]:
            shown[key] = row
    return shown


def cursor(row: Any) -> Cursor:
    """Where a sequence stands in the order."""
    return row.started_at, row.trap, row.id


def _beyond(at: Cursor, *, older: bool) -> ColumnElement[bool]:
    """Strictly after `at` in either direction; written so that both databases walk the index."""
    started_at, trap, known = at
    column = sequences.c.started_at
    tie, values = tuple_(sequences.c.trap, sequences.c.id), tuple_(trap, known)
    if older:
        return and_(column <= started_at, or_(column < started_at, tie < values))
    return and_(column >= started_at, or_(column > started_at, tie > values))


def _descending(query: Select[Any]) -> Select[Any]:
    return query.order_by(*(column.desc() for column in ORDER))


def _ascending(query: Select[Any]) -> Select[Any]:
    return query.order_by(*ORDER)
