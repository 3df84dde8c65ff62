"""Corrects the times of a deployment's sequences when its clock was wrong.

Decides which sequences a correction moves, and by how much:
#1 A trap's record never changes. `clock_shift_s` of a sequence is the difference of its times from the record's.
#2 A sequence belongs to the deployment of its trap that holds its corrected time and had begun when the sequence
arrived. Of several, the one that began last counts; a camera's own deployment precedes its hub's. A sequence without a
deployment keeps the trap's times.
#3 A new difference replaces the earlier one. So the same difference again changes nothing, and 0 takes it back.
#4 Sequences that arrive later are corrected when they are stored.
#5 An imported sequence belongs to the deployment that its survey names, whatever its time; `clock_shift_s` is the
difference from the survey's times, which stay in its record.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, select, true, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import deployments, frames, sequences
from uncia_collector.catalogue.sql import of_sequences
from uncia_contract.errors import DataError
from uncia_contract.messages.records import hub_of

Key = tuple[str, str]
_PARTS = ("days", "hours", "minutes", "seconds")
_DIFFERENCE = re.compile(r"(?P<sign>[+-]?)(?=\d)" + "".join(rf"(?:(?P<{part}>\d+){part[0]})?" for part in _PARTS))
MOST = timedelta(days=100 * 366)


@dataclass(frozen=True)
class Corrected:
    """The result of a correction: how many sequences belong to the deployment, and how many were moved now."""

    shift: timedelta
    belong: int
    moved: int

    @property
    def summary(self) -> str:
        """The result as one line."""
        return f"clock corrected by {words_of(self.shift)}; {self.belong} sequences, {self.moved} of them moved now"


def difference(text: str) -> timedelta:
    """Read a difference such as `+2h`, `-1d3h30m`, `45s` or `0s`.

    Raises:
        DataError: the text is not a difference, or it is more than a hundred years.
    """
    match = _DIFFERENCE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise DataError(
            f"difference {text[:40]!r}: expected such as +2h, -1d3h30m or 45s (how far the trap's clock is behind)"
        )
    parts = {part: int((match[part] or "0")[:12]) for part in _PARTS}
    if max(parts.values()) > MOST.total_seconds() or (size := timedelta(**parts)) > MOST:
        raise DataError(f"difference {text[:40]!r}: expected at most a hundred years")
    return -size if match["sign"] == "-" else size


def words_of(shift: timedelta) -> str:
    """A difference as text, in the form that `difference` reads."""
    seconds = round(abs(shift.total_seconds()))
    parts = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
    text = "".join(f"{part}{name[0]}" for part, name in zip(parts, _PARTS, strict=True) if part)
    return f"{'-' if shift < timedelta(0) else '+'}{text}" if text else "0s"


def shift_clock(database: Database, deployment: str, shift: timedelta) -> Corrected:
    """Correct a deployment whose clock was behind by `shift`.

    Raises:
        DataError: the deployment is unknown.
    """
    with database.writing() as connection:
        place = _deployment(connection, deployment)
        changed = {"clock_shift_s": shift.total_seconds()}
        connection.execute(update(deployments).where(deployments.c.id == deployment).values(changed))
        moved = correct(connection, place.trap)
        of_surveys, also_moved = correct_imported(connection, place.trap, deployment, shift.total_seconds())
        return Corrected(shift, len(_belonging(connection, place)) + of_surveys, moved + also_moved)


def shift_by_picture(database: Database, deployment: str, sequence: str, taken_at: datetime) -> Corrected:
    """Correct a deployment by the time at which one of its sequences really began.

    Raises:
        DataError: the deployment is unknown, the sequence is not of its trap, or the time is outside the deployment.
    """
    with database.reading() as connection:
        place = _deployment(connection, deployment)
        query = select(sequences.c.started_at, sequences.c.clock_shift_s)
        known = sequences.c.trap == hub_of(place.trap), sequences.c.id == sequence
        row = connection.execute(query.where(*known)).one_or_none()
    if row is None:
        raise DataError(f"sequence {sequence[:64]!r}: not from {place.trap}, the trap of the deployment {deployment}")
    if taken_at < place.started_at or (place.ended_at is not None and taken_at > place.ended_at):
        raise DataError(f"{taken_at:%Y-%m-%d %H:%M} UTC is outside of the deployment {deployment}: correct one of them")
    return shift_clock(database, deployment, taken_at - _original(row))


def own_deployment(connection: Connection, deployment: str) -> Any:
    """The row of a deployment that did not come with a survey.

    Raises:
        DataError: the deployment is unknown, or it came with a survey.
    """
    place = _deployment(connection, deployment)
    if place.origin:
        raise DataError(
            f"deployment {deployment!r} came with the survey {place.origin!r}: correct it there and import it again"
        )
    return place


def _deployment(connection: Connection, deployment: str) -> Any:
    place = connection.execute(select(deployments).where(deployments.c.id == deployment)).one_or_none()
    if place is None:
        raise DataError(f"deployment {deployment[:64]!r}: there is none of that name; `deployments list` shows all")
    return place


class _OfSurvey(msgspec.Struct):
    """The part of an imported sequence's record that is read here (#5)."""

    deployment: str


def correct_imported(
    connection: Connection, trap: str, deployment: str, shift_s: float, ids: Collection[str] | None = None
) -> tuple[int, int]:
    """Correct a deployment's imported sequences, or those of `ids` (#5); return how many belong and how many moved."""
    trap, names = hub_of(trap), ("id", "started_at", "ended_at", "clock_shift_s", "record")
    query = select(*(sequences.c[name] for name in names)).where(sequences.c.trap == trap, sequences.c.origin != "")
    query = query if ids is None else query.where(sequences.c.id.in_(ids))
    rows = [row for row in connection.execute(query) if _of_survey(row.record) == deployment]
    wrong = [row for row in rows if row.clock_shift_s != shift_s]
    _move(connection, trap, [(row, timedelta(seconds=shift_s - row.clock_shift_s), shift_s) for row in wrong])
    return len(rows), len(wrong)


def _of_survey(record: bytes) -> str:
    return msgspec.json.decode(record, type=_OfSurvey).deployment


def correct(connection: Connection, trap: str, keys: Iterable[Key] | None = None) -> int:
    """Correct the sequences of a trap (or those of `keys`) by its deployments; return how many changed.

    For a camera of a hub (`trap/camera`), all sequences of the hub are corrected.
    """
    trap = hub_of(trap)
    places = _places(connection, trap)
    chosen = true() if keys is None else of_sequences(sequences.c.trap, sequences.c.id, keys)
    if not any(place.clock_shift_s for place in places):  # usual: only sequences moved before can change
        chosen = chosen & (sequences.c.clock_shift_s != 0)
    moves = []
    for row in connection.execute(_sequences_of(trap, chosen)).all():
        shift_s = _shift_s(places, row)
        if shift_s != row.clock_shift_s:
            moves.append((row, timedelta(seconds=shift_s - row.clock_shift_s), shift_s))
    _move(connection, trap, moves)
    return len(moves)


def correct_new(connection: Connection, keys: Sequence[Key]) -> None:
    """Correct sequences that were just stored (#4), if their trap has a deployment with a wrong clock."""
    shifted = select(deployments.c.trap).distinct().where(deployments.c.clock_shift_s != 0, deployments.c.origin == "")
    wrong = {hub_of(trap) for trap in connection.execute(shifted).scalars()}
    for trap in sorted({trap for trap, _ in keys} & wrong):
        correct(connection, trap, [key for key in keys if key[0] == trap])


def _places(connection: Connection, trap: str) -> list[Any]:
    """The deployments of a trap in the order of their starts, then those of its cameras in the same order."""
    own = deployments.c.trap == trap
    of_cameras = deployments.c.trap.startswith(f"{trap}/", autoescape=True)
    query = select(deployments).where(own | of_cameras, deployments.c.origin == "")
    return sorted(connection.execute(query.order_by(deployments.c.started_at)), key=lambda place: "/" in place.trap)


def _sequences_of(trap: str, chosen: ColumnElement[bool]) -> Any:
    names = ("id", "camera", "started_at", "ended_at", "received_at", "clock_shift_s")
    return select(*(sequences.c[name] for name in names)).where(
        sequences.c.trap == trap, sequences.c.origin == "", chosen
    )


def _original(row: Any) -> datetime:
    """The start of a sequence by the trap's own clock (#1)."""
    started_at: datetime = row.started_at - timedelta(seconds=row.clock_shift_s)
    return started_at


def _place_of(places: Sequence[Any], row: Any) -> Any | None:
    """The deployment of a sequence (#2), None without one; `places` are in the order of `_places`."""
    told, names = _original(row), ("", row.camera)
    of_it = (place for place in reversed(places) if place.trap.partition("/")[2] in names)
    return next((place for place in of_it if _holds(place, told, row.received_at)), None)


def _holds(place: Any, told: datetime, received_at: datetime) -> bool:
    if received_at < place.started_at and place.clock_shift_s:
        return False
    # In seconds since 1970: with a very wrong clock, the corrected time may be outside the range of datetime.
    at = told.timestamp() + place.clock_shift_s
    return place.started_at.timestamp() <= at and (place.ended_at is None or at <= place.ended_at.timestamp())


def _shift_s(places: Sequence[Any], row: Any) -> float:
    place = _place_of(places, row)
    return 0.0 if place is None else float(place.clock_shift_s)


def _belonging(connection: Connection, place: Any) -> list[Any]:
    places = _places(connection, hub_of(place.trap))
    rows = connection.execute(_sequences_of(hub_of(place.trap), true())).all()
    return [row for row in rows if (found := _place_of(places, row)) is not None and found.id == place.id]


def _move(connection: Connection, trap: str, moves: Sequence[tuple[Any, timedelta, float]]) -> None:
    if not moves:
        return
    by_id = {row.id: by for row, by, _ in moves}
    changes = [
        {"k_id": row.id, "start": _later(row.started_at, by), "end": _later(row.ended_at, by), "shift": shift_s}
        for row, by, shift_s in moves
    ]
    connection.execute(_MOVE_SEQUENCE.where(sequences.c.trap == trap), changes)
    keys = [(trap, known) for known in by_id]
    query = select(frames.c.sequence, frames.c.n, frames.c.taken_at).where(frames.c.taken_at.is_not(None))
    for start in range(0, len(keys), _AT_ONCE):
        some = of_sequences(frames.c.trap, frames.c.sequence, keys[start : start + _AT_ONCE])
        pictures = [
            {"k_sequence": row.sequence, "k_n": row.n, "at": _later(row.taken_at, by_id[row.sequence])}
            for row in connection.execute(query.where(some)).all()
        ]
        if pictures:
            connection.execute(_MOVE_FRAME.where(frames.c.trap == trap), pictures)


def _later(moment: datetime, by: timedelta) -> datetime:
    """The moment moved by `by`; unchanged if the result is outside datetime's range, so that the store never fails."""
    try:
        return moment + by
    except OverflowError:
        return moment


_AT_ONCE = 500
_MOVE_SEQUENCE = (
    update(sequences)
    .where(sequences.c.id == bindparam("k_id"))
    .values(started_at=bindparam("start"), ended_at=bindparam("end"), clock_shift_s=bindparam("shift"))
)
_MOVE_FRAME = (
    update(frames)
    .where(frames.c.sequence == bindparam("k_sequence"), frames.c.n == bindparam("k_n"))
    .values(taken_at=bindparam("at"))
)
