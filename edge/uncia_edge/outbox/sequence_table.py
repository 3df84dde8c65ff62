"""The outbox's table: its rows, and queries that change nothing (`store` makes the changes).

Decides what to send next: records before best frames before other frames, then by priority and age.
"""

# ruff: noqa: S608 -- statements are put together from this module's own constants; values are always bound
import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from uncia_contract.errors import MessageError
from uncia_contract.messages.records import SequenceRecord, best_frame, decode, encode
from uncia_edge.outbox.database import Database

RECORD, BEST_FRAME, OTHER_FRAMES = 0, 1, 2
HERE = "state NOT IN ('delivered', 'dropped')"
# The columns that `_item_of` reads.
_SELECT = "SELECT record, stage, stored, dropped, strikes, historical, priority FROM sequence"


@dataclass(frozen=True)
class Waiting:
    """One sequence to be sent: its record, what to send next (`stage`), and the frames that the collector has."""

    record: SequenceRecord
    stage: int
    stored: frozenset[int]
    dropped: frozenset[int]
    strikes: int
    asked_for: bool = False

    @property
    def unsent(self) -> list[int]:
        """The numbers of the frames still to send, the best one first, then in order."""
        rest = [entry.n for entry in self.record.frames if entry.n not in self.stored | self.dropped]
        best = best_frame(self.record)
        return sorted(rest, key=lambda n: (n != best, n))


@dataclass(frozen=True)
class Depth:
    """How much waits: undelivered sequences (also parked and deferred ones), their bytes, and how many are parked."""

    sequences: int
    bytes: int
    parked: int


class OutboxQueries:
    """Queries of an outbox's table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, sequence: str) -> Waiting | None:
        """A sequence that is still in the outbox, in any state; None if it is delivered, dropped or unknown.

        Raises:
            MessageError: its record cannot be read.
        """
        rows = self._database.all(f"{_SELECT} WHERE id=? AND {HERE}", sequence)
        return _item_of(rows[0]) if rows else None

    def next_ids(self, limit: int, exclude: Collection[str], stages: tuple[int, int]) -> list[str]:
        """The ids of the sequences to send next; see `Outbox.next`."""
        first, last = stages
        rows = self._database.all(
            "SELECT id, n FROM sequence WHERE state='waiting' AND stage BETWEEN ? AND ?"
            " ORDER BY stage, priority, n LIMIT ?",
            *(first, last, limit + len(exclude)),
        )
        return [sequence for sequence, _ in rows if sequence not in exclude][:limit]

    def depth(self) -> Depth:
        """How much waits, counted from the table."""
        columns = "COUNT(*), COALESCE(SUM(bytes), 0), COALESCE(SUM(state='parked'), 0)"
        return Depth(*self._database.all(f"SELECT {columns} FROM sequence WHERE {HERE}")[0])

    def waiting(self) -> list[str]:
        """The ids of all undelivered sequences (parked ones and deferred audits too), oldest first."""
        return [str(row[0]) for row in self._database.all(f"SELECT id FROM sequence WHERE {HERE} ORDER BY n")]

    def parked(self) -> dict[str, str]:
        """The ids of the parked sequences, each with its reason."""
        rows = self._database.all("SELECT id, reason FROM sequence WHERE state='parked' ORDER BY n")
        return {str(sequence): str(reason) for sequence, reason in rows}

    def is_delivered(self, sequence: str) -> bool:
        """Whether the collector's receipt for the whole sequence arrived."""
        return bool(self._database.all("SELECT 1 FROM sequence WHERE id=? AND state='delivered'", sequence))

    def frames_delivered(self, sequence: str) -> int:
        """How many frames of a sequence receipts name as stored."""
        rows = self._database.all("SELECT stored FROM sequence WHERE id=?", sequence)
        return len(json.loads(rows[0][0])) if rows else 0

    def has_taken(self, hashes: Collection[str]) -> bool:
        """Whether the first frame of one of the latest 1,000 sequences has one of these sha256."""
        rows = self._database.all("SELECT first_frame FROM sequence ORDER BY n DESC LIMIT 1000")
        return any(row[0] in hashes for row in rows)

    def oldest(self) -> SequenceRecord | None:
        """The record that has waited longest; None if none waits or it cannot be read."""
        rows = self._database.all(f"SELECT id FROM sequence WHERE {HERE} ORDER BY n LIMIT 1")
        try:
            item = self.read(rows[0][0]) if rows else None
        except MessageError:  # `Outbox.get` repairs it when it is sent
            return None
        return item.record if item else None

    def deferred(self) -> list[str]:
        """The ids of the audits whose day is not over, oldest first."""
        return [str(row[0]) for row in self._database.all("SELECT id FROM sequence WHERE state='held' ORDER BY n")]

    def in_stages(self, first: int, last: int, positive: bool | None = None) -> list[str]:
        """The ids of sequences on the card in these stages, oldest first."""
        rows = self._database.all(
            f"SELECT id FROM sequence WHERE {HERE} AND stage BETWEEN ? AND ? AND positive IN (?, ?) ORDER BY n",
            *(first, last, *((0, 1) if positive is None else (int(positive), int(positive)))),
        )
        return [str(row[0]) for row in rows]


def insert(
    connection: sqlite3.Connection,
    record: SequenceRecord,
    priority: int,
    dropped: Sequence[int] = (),
    state: str = "waiting",
) -> int:
    """Insert a sequence; return the bytes of its frames that are on disk."""
    size = sum(entry.size for entry in record.frames if entry.n not in dropped)
    connection.execute(
        "INSERT INTO sequence (id, state, stage, priority, positive, frames, bytes, record, dropped, first_frame)"
        " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(record.id, state, priority, record.positive, len(record.frames), size),
            *(encode(record), json.dumps(list(dropped)), record.frames[0].sha256),
        ),
    )
    return size


def _item_of(row: tuple[Any, ...]) -> Waiting:
    """The `Waiting` of a row of `_SELECT`."""
    record, stage, stored, dropped, strikes, historical, priority = row
    record = decode(record, SequenceRecord)
    if historical:
        record = msgspec.structs.replace(record, historical=True)
    return Waiting(record, stage, frozenset(json.loads(stored)), frozenset(json.loads(dropped)), strikes, priority < 0)
