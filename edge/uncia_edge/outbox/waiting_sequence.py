"""One sequence that waits in the outbox, as its table's row tells."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from uncia_contract.messages.records import SequenceRecord, best_frame, decode

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
