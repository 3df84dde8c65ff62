"""When the card fills: what goes first, and what never goes.

Decides by quota (bytes of frames in the outbox) and by a floor of free space. In this order, oldest first, until there
is room:
1. files of frames that the collector has proved to hold: nothing is lost;
2. rejected sequences that were kept for an audit;
3. the other frames of sequences whose record and best frame are with the collector.
A positive sequence whose best frame is unsent keeps everything. Each drop is a tombstone in the outbox, counted in
`drops`, and logged. A ballast file is given up when SQLite itself finds no room, because a full card cannot be drained
through it: a DELETE needs space as well (measured).
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
    """Quota of the outbox's frames, floor of the card's free space, and size of the ballast; all in bytes."""

    quota_bytes: int = 20 * 1024**3
    floor_bytes: int = 256 * 1024**2
    ballast_bytes: int = 8 * 1024**2


class Pressure:
    """Keeps an outbox within its bounds.

    Args:
        outbox: whose sequences are counted and, if need be, dropped.
        bounds: see `Bounds`.
        free_bytes: the card's free space.
    """

    def __init__(self, outbox: Outbox, bounds: Bounds, free_bytes: Callable[[], int] | None = None) -> None:
        self._outbox, self._bounds = outbox, bounds
        self._free_bytes = free_bytes or (lambda: shutil.disk_usage(outbox.folder).free)
        self.ballast = outbox.folder / BALLAST  # a file that only takes space

    def relieve(self) -> int:
        """Make room if there is too little; the number of frames and sequences given up. Call it every minute."""
        dropped = 0
        try:
            for step in (self._proved_files, self._negatives, self._other_frames):
                for act in () if self._enough() else step():
                    dropped += act()
                    if self._enough():
                        break
        except StorageError as error:  # the table itself finds no room
            _log.error("no room to make room: %s", error)
            self.give_up_ballast()
        if self._enough():
            self._keep_ballast()
        return dropped

    def give_up_ballast(self) -> bool:
        """Free the ballast's space, now; whether there was any."""
        try:
            self.ballast.unlink()
        except OSError:
            return False
        _log.warning("ballast given up")
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
            _log.warning("no ballast: %s", error)

    def _proved_files(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(RECORD, OTHER_FRAMES):
            yield lambda: self._outbox.shed_proved(sequence)  # noqa: B023 -- called before the next is yielded

    def _negatives(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(RECORD, OTHER_FRAMES, positive=False):
            yield lambda: self._outbox.drop(sequence, "the card is full; kept only for an audit")  # noqa: B023

    def _other_frames(self) -> Iterator[Callable[[], int]]:
        for sequence in self._outbox.queries.in_stages(OTHER_FRAMES, OTHER_FRAMES):
            yield lambda: self._outbox.drop_unsent(sequence, "the card is full; record and best frame are sent")  # noqa: B023
