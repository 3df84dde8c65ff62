"""The states of each sequence that is being sent, and the events that change them.

Pure: no IO and no thread; the time is an argument (`now_s`, monotonic seconds). `sender` reports the events and
publishes the pieces.

A sequence, from when it is taken from the outbox until it is removed:

                                     receipt: some         every chunk
              published              bytes missing         acknowledged
    RECORD ---------------> ASKED ------------------> FRAMES ----------> SENT
      ^  ^                    |                       |    ^              |
      |  +----- returned -----+                       |    +-- returned --+
      +-- receipt overdue, reconnected (not FRAMES), -+-------------------+
          nobody listens, last unsent frame lost

    from each: delivered, refused, parked or dropped --> removed
    from RECORD: disconnected --> back to the outbox
    FRAMES, if no chunk was sent and enough others are sent: back to the outbox; later it starts with FRAMES

`returned`: a piece may not have arrived. Pieces may be sent twice; the collector keeps one copy.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Literal

from uncia_contract.messages.byte_ranges import clipped
from uncia_contract.messages.records import ByteRange, Receipt, SequenceRecord, best_frame
from uncia_edge.delivery.link_state import InFlight, Pace, Piece, Room
from uncia_edge.delivery.poison_detection import PoisonDetector
from uncia_edge.outbox.sequence_table import Waiting

RECORD_NEXT, BEST_FRAME_NEXT, OTHER_FRAME_NEXT, NOTHING_NEXT = range(4)


class Transfer:
    """The state of one sequence that is being sent.

    Args:
        item: the sequence in the outbox.
        recorded: the collector has the record and no byte of the unsent frames, so that the record is not sent again.
    """

    def __init__(self, item: Waiting, recorded: bool = False) -> None:
        self.record: SequenceRecord = item.record
        self.asked_for = item.asked_for
        self.state: Literal["record", "asked", "frames", "sent"] = "record"
        self.untouched = True  # no chunk was sent, so the collector has no part of a frame
        self.deadline_s: float | None = None
        self._in_flight = 0
        self._asked_times = 0
        self._unsent = item.unsent
        self._best = best_frame(item.record)
        self._ranges: deque[tuple[int, int, int]] = deque()  # frame, start, end
        if recorded:
            self._send_frames([(n, ()) for n in self._unsent])

    def rank(self) -> int:
        """What is sent next of this sequence; the smaller number has priority."""
        if self.state == "record":
            return RECORD_NEXT
        if not self._ranges:
            return NOTHING_NEXT
        return BEST_FRAME_NEXT if self._ranges[0][0] == self._best else OTHER_FRAME_NEXT

    def next_piece(self, chunk_bytes: int) -> Piece:
        """Take the next piece; call it only if `rank` says that there is one."""
        self._in_flight += 1
        if self.state == "record":
            self.state = "asked"
            self._asked_times += 1
            return Piece(self.record)
        n, start, end = self._ranges.popleft()
        cut = min(end, start + chunk_bytes)
        if cut < end:
            self._ranges.appendleft((n, cut, end))
        self.untouched = False
        return Piece(self.record, n, start, cut)

    def returned(self, piece: Piece) -> None:
        """Put a piece back to the front, because it may not have arrived."""
        self._in_flight -= 1
        self.deadline_s = None
        if piece.frame is None:
            self.state = "record"
        elif self.state != "record":
            end = piece.end
            if self._ranges and self._ranges[0][:2] == (piece.frame, end):
                end = self._ranges.popleft()[2]
            self._ranges.appendleft((piece.frame, piece.start, end))
            self.state = "frames"

    def acknowledged(self, now_s: float, pace: Pace) -> None:
        """Note that the broker acknowledged a piece. After the last one, wait for the receipt, longer each time."""
        self._in_flight -= 1
        if self.state == "frames" and not self._ranges and not self._in_flight:
            self.state = "sent"
        if self.state in ("asked", "sent") and not self._in_flight:
            patience_s = pace.receipt_timeout_s * 2 ** min(max(0, self._asked_times - 1), 12)
            self.deadline_s = now_s + min(patience_s, pace.receipt_patience_s)

    def ask(self) -> None:
        """Send the record (again), so that its receipt names what is missing."""
        self.state = "record"
        self.deadline_s = None
        self._ranges.clear()

    def give_up_frame(self, frame: int) -> None:
        """Send no more of a frame that the card has lost."""
        self._unsent = [n for n in self._unsent if n != frame]
        self._ranges = deque(part for part in self._ranges if part[0] != frame)
        if self.state == "frames" and not self._ranges and not self._in_flight:
            self.ask()

    def answered(self, receipt: Receipt, deadline_s: float) -> None:
        """Handle a receipt: in ASKED, send what is missing; otherwise chunks are in flight and it says nothing new."""
        if self.state == "asked":
            missing = {frame.n: frame.ranges for frame in receipt.missing}
            self._send_frames([(n, missing[n]) for n in self._unsent if n in missing])
            if not self._ranges:
                self.state = "sent"
        if self.state == "sent" and self.deadline_s is None and not self._in_flight:
            self.deadline_s = deadline_s

    def wait_at_most_until(self, deadline_s: float) -> None:
        """Move the deadline forward if there is a later one."""
        if self.deadline_s is not None:
            self.deadline_s = min(self.deadline_s, deadline_s)

    def ask_past_budget(self) -> None:
        """Send the frames regardless of the budget, because a person asked for them."""
        self.asked_for = True

    def _send_frames(self, frames: list[tuple[int, tuple[ByteRange, ...]]]) -> None:
        self.state = "frames"
        self.deadline_s = None
        self._ranges.clear()
        for n, ranges in frames:
            size = self.record.frames[n].size
            parts = clipped(ranges, size) if ranges else [ByteRange(0, size)]
            self._ranges.extend([(n, part.start, part.end) for part in parts])


class ActiveTransfers:
    """The few sequences that are being sent now, oldest first."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._poison = pace, PoisonDetector()
        self._transfers: dict[str, Transfer] = {}
        self._untouched: set[str] = set()  # recorded, no chunk sent: the record need not be sent again

    @property
    def ids(self) -> Collection[str]:
        """The ids of the sequences that are being sent now."""
        return self._transfers.keys()

    def next_deadline_s(self, now_s: float) -> float | None:
        """When the next receipt becomes overdue; None if no receipt is awaited."""
        deadlines = [transfer.deadline_s for transfer in self._transfers.values()]
        return min([at_s for at_s in deadlines if at_s is not None and at_s > now_s], default=None)

    # -- what goes next

    def places(self) -> tuple[int, int]:
        """How many more sequences to take from the outbox: with unsent records, and with unsent frames."""
        sending = self._sending()
        return self._pace.asking - (len(self._transfers) - sending), self._pace.sending - sending

    def take_up(self, items: Iterable[Waiting]) -> None:
        """Start to send these sequences."""
        for item in items:
            self._transfers[item.record.id] = Transfer(item, recorded=item.record.id in self._untouched)

    def next_pieces(self, room: Room, now_s: float, frame_bytes: int | None) -> list[Piece]:
        """Take the pieces to publish now, in order. A record counts as one chunk's size.

        Args:
            room: of the send window.
            now_s: monotonic seconds; records whose receipt is overdue are published again.
            frame_bytes: what is left of the day's budget; None for no limit.
        """
        self._ask_overdue(now_s)
        pieces: list[Piece] = []
        free_bytes = room.bytes
        while len(pieces) < room.items and free_bytes > 0:
            idle = room.oldest_s is None and not pieces
            transfer = self._choose(frame_bytes is None or frame_bytes > 0, idle)
            if transfer is None:
                break
            piece = transfer.next_piece(room.chunk_bytes)
            size = room.chunk_bytes if piece.frame is None else piece.end - piece.start
            free_bytes -= size
            if frame_bytes is not None and piece.frame is not None:
                frame_bytes -= size
            pieces.append(piece)
        return pieces

    def _choose(self, frames_too: bool, nothing_under_way: bool) -> Transfer | None:
        """The sequence to send next: records, best frames, other frames, each by arrival; suspects last and alone."""
        best, best_rank, first_suspect = None, NOTHING_NEXT, None
        for sequence, transfer in self._transfers.items():
            rank = transfer.rank()
            if rank == NOTHING_NEXT or (rank != RECORD_NEXT and not frames_too and not transfer.asked_for):
                continue
            if sequence in self._poison.suspects:
                first_suspect = first_suspect or transfer
            elif rank < best_rank:
                best, best_rank = transfer, rank
        return best or (first_suspect if nothing_under_way else None)

    # -- events

    def connected(self) -> None:
        """Send records again after a reconnect, because receipts may have been lost meanwhile."""
        for transfer in self._transfers.values():
            if transfer.state in ("asked", "sent"):
                transfer.ask()

    def disconnected(self, pieces: Collection[Piece], code: int | None) -> str | None:
        """Take back pieces that may not have arrived; return the sequence that gets a strike, or None.

        Sequences in RECORD go back to the outbox.
        """
        self.returned(pieces)
        self._transfers = {key: transfer for key, transfer in self._transfers.items() if transfer.state != "record"}
        return self._poison.cut({piece.record.id for piece in pieces}, code)

    def returned(self, pieces: Iterable[Piece]) -> None:
        """Take back pieces, latest first, that may not have arrived."""
        for piece in pieces:
            if transfer := self._transfers.get(piece.record.id):
                transfer.returned(piece)

    def acknowledged(self, messages: Iterable[InFlight], now_s: float) -> int:
        """Note acknowledged messages; return the bytes of those whose sequence is still being sent."""
        taken_bytes = 0
        for message in messages:
            if message.piece and (transfer := self._transfers.get(message.piece.record.id)):
                taken_bytes += message.size
                transfer.acknowledged(now_s, self._pace)
                if self._poison.suspects:
                    self._poison.arrived(message.piece.record.id)
        return taken_bytes

    def not_taken(self, piece: Piece, ask: bool) -> None:
        """Take back a piece that the broker could not accept now. `ask`: nobody listened, so send the record first."""
        if transfer := self._transfers.get(piece.record.id):
            transfer.returned(piece)
            if ask:
                transfer.ask()

    def receipt(self, receipt: Receipt, settled: bool, now_s: float) -> bool:
        """Handle a receipt; return whether its sequence was being sent.

        The collector answers again, so no sequence waits longer than one timeout from now on.

        Args:
            receipt: the collector's answer.
            settled: nothing more of the sequence is sent: it is delivered, refused, or was dropped.
            now_s: monotonic seconds.
        """
        deadline_s = now_s + self._pace.receipt_timeout_s
        for other in self._transfers.values():
            other.wait_at_most_until(deadline_s)
        transfer = self._transfers.get(receipt.sequence)
        if settled:
            self.remove(receipt.sequence)
        elif transfer is not None and receipt.record_stored:
            transfer.answered(receipt, deadline_s)
            if transfer.state == "frames" and transfer.untouched and self._sending() > self._pace.sending:
                self._untouched.add(receipt.sequence)  # it is taken up again later; only a few are sent at once
                del self._transfers[receipt.sequence]
        return transfer is not None

    def frame_lost(self, piece: Piece) -> None:
        """Send no more of a piece's frame, because the card has lost it."""
        transfer = self._transfers.get(piece.record.id)
        if transfer is not None and piece.frame is not None:
            transfer.give_up_frame(piece.frame)

    def asked_for(self, sequence: str) -> None:
        """Send the frames of a sequence regardless of the budget, because a person asked for them."""
        if transfer := self._transfers.get(sequence):
            transfer.ask_past_budget()

    def remove(self, sequence: str) -> None:
        """Stop sending a sequence: it is delivered, refused, parked or dropped."""
        self._transfers.pop(sequence, None)
        self._untouched.discard(sequence)
        if sequence in self._poison.suspects:
            self._poison.forget(sequence)

    def _ask_overdue(self, now_s: float) -> None:
        for transfer in self._transfers.values():
            if transfer.deadline_s is not None and now_s >= transfer.deadline_s:
                transfer.ask()

    def _sending(self) -> int:
        return sum([transfer.state in ("frames", "sent") for transfer in self._transfers.values()])
