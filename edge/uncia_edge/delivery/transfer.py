"""One sequence on its way to the collector: which piece goes next, which are uncertain, when to ask again.

Decides the order within a sequence (record, best frame, other frames) and when a receipt is overdue; knows neither
broker nor disk. Pieces may be sent twice: the collector keeps one of each.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from uncia_contract.messages.byte_ranges import clipped
from uncia_contract.messages.records import ByteRange, Receipt, SequenceRecord, best_frame
from uncia_edge.outbox.waiting_sequence import Waiting

RECORD_NEXT, BEST_FRAME_NEXT, OTHER_FRAME_NEXT, NOTHING_NEXT = range(4)


@dataclass(frozen=True)
class Piece:
    """What one publish carries: the record (`frame` is None) or the bytes `start` up to `end` of a frame."""

    sequence: str
    frame: int | None = None
    start: int = 0
    end: int = 0


class Transfer:
    """The sending of one sequence.

    Phases: `record` (it must be published), `asked` (published; the receipt is awaited), `frames` (the receipt named
    what is missing; chunks flow), `sent` (all chunks were taken by the broker; the last receipt is awaited).

    Args:
        item: the sequence as the outbox knows it.
        recorded: the collector is known to have the record and no byte of the unsent frames, so it need not be asked.
    """

    def __init__(self, item: Waiting, recorded: bool = False) -> None:
        self.record: SequenceRecord = item.record
        self.id = item.record.id
        self.asked_for = item.asked_for
        self.phase: Literal["record", "asked", "frames", "sent"] = "record"
        self.in_flight = 0
        self.begun = False  # a chunk was sent: the collector may hold parts that only it can name
        self.deadline_s: float | None = None
        self.asked_times = 0
        self._unsent = item.unsent
        self._best = best_frame(item.record)
        self._ranges: deque[tuple[int, int, int]] = deque()
        if recorded:
            self._take([(n, ()) for n in self._unsent])

    @property
    def rank(self) -> int:
        """What goes next, smaller first."""
        if self.phase == "record":
            return RECORD_NEXT
        if not self._ranges:
            return NOTHING_NEXT
        return BEST_FRAME_NEXT if self._ranges[0][0] == self._best else OTHER_FRAME_NEXT

    def next_piece(self, chunk_bytes: int) -> Piece | None:
        """Take the next piece; None when there is nothing to send now."""
        if self.phase == "record":
            self.phase = "asked"
            self.asked_times += 1
            self.in_flight += 1
            return Piece(self.id)
        if not self._ranges:
            return None
        n, start, end = self._ranges.popleft()
        cut = min(end, start + chunk_bytes)
        if cut < end:
            self._ranges.appendleft((n, cut, end))
        self.in_flight += 1
        self.begun = True
        return Piece(self.id, n, start, cut)

    def returned(self, piece: Piece) -> None:
        """A piece that may not have arrived goes back to the front."""
        self.in_flight -= 1
        self.deadline_s = None
        if piece.frame is None:
            self.phase = "record"
        elif self.phase != "record":
            end = piece.end
            if self._ranges and self._ranges[0][:2] == (piece.frame, end):
                end = self._ranges.popleft()[2]
            self._ranges.appendleft((piece.frame, piece.start, end))
            self.phase = "frames"

    def acknowledged(self) -> bool:
        """The broker took a piece. True when nothing is left but to wait for the receipt."""
        self.in_flight -= 1
        if self.phase == "frames" and not self._ranges and not self.in_flight:
            self.phase = "sent"
        return self.phase in ("asked", "sent") and not self.in_flight

    def ask(self) -> None:
        """Publish the record (again): its receipt names what is missing."""
        self.phase = "record"
        self.deadline_s = None
        self._ranges.clear()

    def give_up_frame(self, frame: int) -> None:
        """Leave a frame out that cannot be read any more."""
        self._unsent = [n for n in self._unsent if n != frame]
        self._ranges = deque(part for part in self._ranges if part[0] != frame)
        if self.phase == "frames" and not self._ranges and not self.in_flight:
            self.ask()

    def answered(self, receipt: Receipt) -> None:
        """A receipt came. What it misses is sent if we asked; else it tells of chunks that are still on their way."""
        if self.phase != "asked":
            return
        missing = {frame.n: frame.ranges for frame in receipt.missing}
        self._take([(n, missing[n]) for n in self._unsent if n in missing])
        if not self._ranges:
            self.phase = "sent"

    def _take(self, frames: list[tuple[int, tuple[ByteRange, ...]]]) -> None:
        self.phase = "frames"
        self.deadline_s = None
        self._ranges.clear()
        for n, ranges in frames:
            size = self.record.frames[n].size
            self._ranges.extend((n, part.start, part.end) for part in clipped(ranges or [ByteRange(0, size)], size))
