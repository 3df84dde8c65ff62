"""Chooses a few rejected sequences a day at random and sends them, so that people can see what the trap misses.

Each rejected sequence gets a number, a hash of its id (`sampling_key`). The sequences with the smallest numbers of the
day are kept on the card and sent when the day is over. So every rejected sequence of a day has the same chance, never
more than the budget are sent, and a restart chooses the same ones.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from uncia_contract.errors import StorageError
from uncia_contract.messages.records import SequenceRecord
from uncia_edge.outbox.day import Day
from uncia_edge.outbox.preview import with_preview
from uncia_edge.outbox.store import Outbox

_log = logging.getLogger(__name__)

LATER = 1  # priority: positive sequences go first


class Audits:
    """Samples the rejected sequences of one trap.

    Args:
        outbox: stores the sampled ones.
        per_day: at most so many a day; 0 for none.
        day: counts the trap's days.
        preview_px: the longer side of the thumbnail that goes with a record; 0 for none.
    """

    def __init__(self, outbox: Outbox, per_day: int, day: Day, preview_px: int = 0) -> None:
        self._outbox, self.per_day, self._day, self._preview_px = outbox, per_day, day, preview_px

    def consider(self, record: SequenceRecord, files: Sequence[Path], owned: bool = False) -> bool:
        """Store a rejected sequence if it is sampled; return whether it was stored.

        If the card refuses it, that is logged and this audit is lost.

        Args:
            record: with a negative verdict.
            files: the frames' files, in order.
            owned: see `Outbox.add`.
        """
        self.end_day_if_over()
        if not self.per_day:
            return False
        deferred = sorted(self._outbox.queries.deferred(), key=sampling_key)
        if len(deferred) >= self.per_day and sampling_key(record.id) >= sampling_key(deferred[self.per_day - 1]):
            return False
        try:
            drawn = with_preview(msgspec.structs.replace(record, audit=True), files, self._preview_px)
            self._outbox.add(drawn, files, LATER, owned, deferred=True)
            for sequence in deferred[self.per_day - 1 :]:
                self._outbox.forget_deferred(sequence)
        except StorageError as error:
            _log.warning("no audit: %s", error)
            return False
        return True

    def end_day_if_over(self) -> int:
        """Release the sampled sequences if their day is over; return how many."""
        if self._outbox.remembered("audit_day") == self._day.number:
            return 0
        return self.release()

    def release(self) -> int:
        """Release the sampled sequences for sending now (the day or the recording has ended); return how many."""
        released = self._outbox.release_deferred()
        self._outbox.remember(audit_day=self._day.number)
        return released


def sampling_key(sequence: str) -> int:
    """A number from the hash of a sequence's id; the smallest ones are sampled."""
    return int.from_bytes(hashlib.sha256(f"audit {sequence}".encode()).digest()[:8], "big")
