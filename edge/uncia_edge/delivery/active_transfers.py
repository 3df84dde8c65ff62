"""The sequences that delivery works on at once: a few of the many in the outbox, each as a `Transfer`.

Decides how many those are, whose piece goes next, and who has waited long enough for a receipt to ask again; what an
answer means is `delivery`.
"""

from collections.abc import Iterable

from uncia_contract.messages.records import Receipt
from uncia_edge.delivery.pace import Pace
from uncia_edge.delivery.poison_detection import Suspicion
from uncia_edge.delivery.transfer import NOTHING_NEXT, RECORD_NEXT, Piece, Transfer
from uncia_edge.outbox.store import BEST_FRAME, OTHER_FRAMES, RECORD, Outbox


class Worklist:
    """Transfers, oldest first."""

    def __init__(self, outbox: Outbox, pace: Pace) -> None:
        self._outbox, self._pace = outbox, pace
        self._active: dict[str, Transfer] = {}
        self._untouched: set[str] = set()  # recorded with the collector, no chunk sent: need not be asked again

    def get(self, sequence: str) -> Transfer | None:
        """The transfer of a sequence that is worked on."""
        return self._active.get(sequence)

    def remove(self, sequence: str) -> None:
        """It is delivered, refused, or parked."""
        self._active.pop(sequence, None)
        self._untouched.discard(sequence)

    @property
    def deadlines_s(self) -> list[float]:
        """When receipts become overdue."""
        return [transfer.deadline_s for transfer in self._active.values() if transfer.deadline_s is not None]

    # -- what goes next

    def refill(self) -> None:
        """Take up unsent records, and, for so many sequences that the link never idles, frames."""
        sending = self._sending()
        room = self._pace.asking - (len(self._active) - sending)
        if room > 0:
            for item in self._outbox.next(room, exclude=self._active, stages=(RECORD, RECORD)):
                self._active[item.record.id] = Transfer(item)
        if sending < self._pace.sending:
            stages = (BEST_FRAME, OTHER_FRAMES)
            for item in self._outbox.next(self._pace.sending - sending, exclude=self._active, stages=stages):
                self._active[item.record.id] = Transfer(item, recorded=item.record.id in self._untouched)

    def choose(self, frames_too: bool, suspicion: Suspicion, nothing_under_way: bool) -> Transfer | None:
        """Whose piece goes next: records, best frames, other frames, each by arrival; suspects last and alone."""
        ready = [
            t
            for t in self._active.values()
            if t.rank < (NOTHING_NEXT if frames_too or t.asked_for else RECORD_NEXT + 1)
        ]
        sound = [transfer for transfer in ready if transfer.id not in suspicion]
        if sound:
            return min(sound, key=lambda transfer: transfer.rank)
        return ready[0] if ready and nothing_under_way else None

    # -- what the link and the collector answer

    def connected(self) -> None:
        """A new connection: receipts may have come while there was none."""
        for transfer in self._active.values():
            if transfer.phase in ("asked", "sent"):
                transfer.ask()

    def disconnected(self, pieces: Iterable[Piece]) -> None:
        """These may not have arrived; sequences of which nothing else is known wait in the outbox again."""
        for piece in pieces:
            if piece.sequence in self._active:
                self._active[piece.sequence].returned(piece)
        self._active = {key: transfer for key, transfer in self._active.items() if transfer.phase != "record"}

    def acknowledged(self, transfer: Transfer, now_s: float) -> None:
        """The broker took a piece; if it was the last, the receipt is waited for, longer with each question."""
        if transfer.acknowledged():
            patience = self._pace.receipt_timeout_s * 2 ** min(max(0, transfer.asked_times - 1), 12)
            transfer.deadline_s = now_s + min(patience, self._pace.receipt_patience_s)

    def answered(self, transfer: Transfer, receipt: Receipt, now_s: float) -> None:
        """A receipt that leaves something to do."""
        transfer.answered(receipt)
        if transfer.phase == "sent" and transfer.deadline_s is None and not transfer.in_flight:
            transfer.deadline_s = now_s + self._pace.receipt_timeout_s
        if transfer.phase == "frames" and not transfer.begun and self._sending() > self._pace.sending:
            self._untouched.add(transfer.id)  # its turn comes; only a few are worked on at once
            del self._active[transfer.id]

    def hurry(self, now_s: float) -> None:
        """The collector lives: those who waited for it long need not wait on."""
        for transfer in self._active.values():
            if transfer.deadline_s is not None:
                transfer.deadline_s = min(transfer.deadline_s, now_s + self._pace.receipt_timeout_s)

    def ask_overdue(self, now_s: float) -> None:
        """Publish the records of those whose receipt is overdue again."""
        for transfer in self._active.values():
            if transfer.deadline_s is not None and now_s >= transfer.deadline_s:
                transfer.ask()

    def _sending(self) -> int:
        return sum(transfer.phase in ("frames", "sent") for transfer in self._active.values())
