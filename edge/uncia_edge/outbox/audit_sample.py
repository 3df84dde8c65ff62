"""The audit budget: a few rejected sequences a day, drawn at random and sent, so that the base station can say what the
trap misses.

Decides which ones. Each rejected sequence draws a number from its own id; those with the smallest numbers of the day
are held on the card and sent when the day is over. So every rejected sequence of a day has the same chance, however
many there are, never more than the budget are sent, and a restart draws the same numbers again.
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

LATER = 1  # priority: sightings go first


class Audits:
    """Draws among the rejected sequences of one trap.

    Args:
        outbox: holds the drawn ones.
        per_day: at most so many a day; 0 for none.
        day: tells one day from the next.
        preview_px: the longer side of the thumbnail that goes with a record; 0 for none.
    """

    def __init__(self, outbox: Outbox, per_day: int, day: Day, preview_px: int = 0) -> None:
        self._outbox, self.per_day, self._day, self._preview_px = outbox, per_day, day, preview_px

    def consider(self, record: SequenceRecord, files: Sequence[Path], owned: bool = False) -> bool:
        """Keep a rejected sequence if it is drawn; whether it is. A card that refuses costs the audit and nothing else.

        Args:
            record: of a negative verdict.
            files: its frames, in order.
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
        """Send what was drawn once its day is over; the number of sequences."""
        if self._outbox.remembered("audit_day") == self._day.number:
            return 0
        return self.release()

    def release(self) -> int:
        """Send what was drawn now: the day is over, or the recording has ended. The number of sequences."""
        released = self._outbox.release_deferred()
        self._outbox.remember(audit_day=self._day.number)
        return released


def sampling_key(sequence: str) -> int:
    """The number that a sequence draws; the smallest ones win."""
    return int.from_bytes(hashlib.sha256(f"audit {sequence}".encode()).digest()[:8], "big")
