"""Decides what is deleted from a full card, in which order, and what is never deleted.

The card is full when the outbox's frames exceed a quota or free space is below a floor. Then these are deleted, oldest
first, until there is room:
1. the files of frames that receipts name as stored: nothing is lost;
2. rejected sequences that were kept for an audit;
3. the other frames of sequences whose record and best frame the collector has.
A positive sequence whose best frame is unsent keeps all its files. Each deletion of 2 and 3 is marked in the outbox's
table, counted in `drops` and logged.

A ballast file, which only takes space, is deleted when SQLite itself has no room: without it a full card could not be
emptied, because a DELETE needs space too (measured).
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uncia_contract.errors import StorageError
from uncia_contract.files import sync_folder
from uncia_edge.outbox.sequence_table import OTHER_FRAMES, RECORD
from uncia_edge.outbox.store import Outbox

_log = logging.getLogger(__name__)

BALLAST = "ballast"


@dataclass(frozen=True)
class Bounds:
    """Quota of the outbox's frames, least free space on the card, and size of the ballast file; all in bytes."""

    quota_bytes: int = 20 * 1024**3
    floor_bytes: int = 256 * 1024**2
    ballast_bytes: int = 8 * 1024**2


class Pressure:
    """Keeps an outbox within its bounds.

    Args:
        outbox: its sequences are counted and, if needed, dropped.
        bounds: see `Bounds`.
        free_bytes: returns the card's free space.
    """

    def __init__(self, outbox: Outbox, bounds: Bounds, free_bytes: Callable[[], int] | None = None) -> None:
        self._outbox, self._bounds = outbox, bounds
        self._free_bytes = free_bytes or (lambda: shutil.disk_usage(outbox.folder).free)
        self.ballast = outbox.folder / BALLAST  # a file that only takes space

    def relieve(self) -> int:
        """Make room if there is too little; return how many frames and sequences were dropped."""
        dropped = 0
        try:
            for step in (self._proved_files, self._negatives, self._other_frames):
                for act in () if self._enough() else step():
                    dropped += act()
                    if self._enough():
                        break
        except StorageError as error:  # SQLite has no room for the change
            _log.error("the card is too full to delete anything: %s", error)
            self.give_up_ballast()
        if self._enough():
            self._keep_ballast()
        return dropped

    def give_up_ballast(self) -> bool:
        """Delete the ballast file; return whether there was one."""
        try:
            self.ballast.unlink()
        except OSError:
            return False
        _log.warning("ballast file deleted")
        return True

    def _enough(self) -> bool:
        depth = self._outbox.depth()
        return depth.bytes <= self._bounds.quota_bytes and self._free_bytes() >= self._bounds.floor_bytes

    def _keep_ballast(self) -> None:
        size = self._bounds.ballast_bytes
        if self.ballast.exists() or not size or self._free_bytes() < self._bounds.floor_bytes + size:
            return
        try:
            with self.ballast.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, size)
            sync_folder(self._outbox.folder)
        except OSError as error:
            _log.warning("ballast file not written: %s", error)

    def _proved_files(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(RECORD, OTHER_FRAMES):
            yield lambda: self._outbox.shed_proved(sequence)  # noqa: B023 -- called before the next is yielded

    def _negatives(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(RECORD, OTHER_FRAMES, positive=False):
            yield lambda: self._outbox.drop(sequence, "the card is full; kept only for an audit")  # noqa: B023

    def _other_frames(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(OTHER_FRAMES, OTHER_FRAMES):
            yield lambda: self._outbox.drop_unsent(sequence, "the card is full; record and best frame are sent")  # noqa: B023
