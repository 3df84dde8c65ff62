"""One sequence that waits in the outbox, and its row in the table."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from uncia_contract.messages.records import SequenceRecord, best_frame, decode, encode

# The columns of which `item_of` makes a Waiting.
SELECT = "SELECT record, stage, stored, dropped, strikes, historical, priority FROM sequence"


@dataclass(frozen=True)
class Waiting:
    """One sequence to be sent: its record, what goes next, and the frames that the collector already has."""

    record: SequenceRecord
    stage: int
    stored: frozenset[int]
    dropped: frozenset[int]
    strikes: int
    asked_for: bool = False

    @property
    def unsent(self) -> list[int]:
        """The frames still to send, the best one first, then in order."""
        rest = [entry.n for entry in self.record.frames if entry.n not in self.stored | self.dropped]
        best = best_frame(self.record)
        return sorted(rest, key=lambda n: (n != best, n))


def item_of(row: tuple[Any, ...]) -> Waiting:
    """The sequence in a row of `SELECT`."""
    record, stage, stored, dropped, strikes, historical, priority = row
    record = decode(record, SequenceRecord)
    if historical:
        record = msgspec.structs.replace(record, historical=True)
    return Waiting(record, stage, frozenset(json.loads(stored)), frozenset(json.loads(dropped)), strikes, priority < 0)


def insert(
    connection: sqlite3.Connection,
    record: SequenceRecord,
    priority: int,
    dropped: Sequence[int] = (),
    state: str = "waiting",
) -> int:
    """Enter a sequence; the bytes of its frames that lie on disk."""
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
