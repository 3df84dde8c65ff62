"""Delivery by receipt: takes sequences from the outbox, sends them while there is a link, believes only receipts.

Decides what is published when, and what each answer of broker and collector means (docs/delivery.md has the table):
records before best frames before other frames; nothing while offline; a bounded window; a PUBACK paces and proves
nothing; a reason code from 0x80 on is a failure; what keeps failing is parked and the next one goes.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from uncia_contract.errors import BrokerError, MessageError, StorageError
from uncia_contract.messages.records import Receipt, SequenceRecord, decode, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.active_transfers import Worklist
from uncia_edge.delivery.chunk_reader import FrameLostError, PieceReader
from uncia_edge.delivery.daily_budget import Budget
from uncia_edge.delivery.link import Acknowledged, BackOff, Connected, Disconnected, Event, Outgoing, Pipe, Received
from uncia_edge.delivery.pace import Pace
from uncia_edge.delivery.poison_detection import Suspicion
from uncia_edge.delivery.send_window import Window
from uncia_edge.delivery.transfer import Piece, Transfer
from uncia_edge.outbox.store import Outbox

_log = logging.getLogger(__name__)

NOBODY_LISTENS = 0x10
# The broker is in trouble, the message is not: unspecified, implementation specific, quota exceeded.
_RETRY = frozenset({0x80, 0x83, 0x97})


class Delivery:
    """Sends what the outbox holds, in a thread of its own (`start`, `stop`), or step by step in tests.

    Args:
        outbox: where sequences wait.
        link: the wire.
        topics: the trap's topics.
        pace: patience and windows.
        on_delivered: called with the id when the collector's receipt for a whole sequence was applied.
        on_command: called with each message on the command topic.
        greetings: asked after each connect for what to publish first (availability, birth certificate).
        budget: of bytes of frames a day; it may be changed while it runs.
        beat: called after each step: delivery is alive.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        link: Pipe,
        topics: Topics,
        *,
        pace: Pace | None = None,
        on_delivered: Callable[[str], None] | None = None,
        on_command: Callable[[Received], None] | None = None,
        greetings: Callable[[], Iterable[Outgoing]] | None = None,
        budget: Budget | None = None,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget, self._beat = budget or Budget(), beat
        self._outbox, self._link, self._topics, self._clock = outbox, link, topics, clock
        self._pace = pace or Pace()
        self._on_delivered, self._on_command = on_delivered, on_command
        self._greetings = greetings or (lambda: [Outgoing(topics.availability, b"online", retain=True)])
        self._reader = PieceReader(outbox, topics)
        self._window = Window(self._pace.limits)
        self._reconnect = BackOff(self._pace.retry_first_s, self._pace.retry_most_s)
        self._trouble = BackOff(self._pace.retry_first_s, self._pace.retry_most_s)
        self._work = Worklist(outbox, self._pace)
        self._outgoing: queue.SimpleQueue[Outgoing] = queue.SimpleQueue()
        self._connected = False
        self._open_at_s: float | None = clock()
        self._quiet_until_s = 0.0
        self._offline_since_s: float | None = clock()
        self._release_at_s = clock()
        self._waited_before = bool(outbox.waiting())
        self._suspicion = Suspicion()
        self.last_receipt_s: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -- running

    def start(self) -> None:
        """Deliver in a thread until `stop`."""
        self._outbox.on_add = self.wake
        self._thread = threading.Thread(target=self._run, name="uncia-delivery", daemon=True)
        self._thread.start()

    def stop(self, farewell: str = "offline") -> None:
        """Stop, and say why on the availability topic. What is under way is sent again next time."""
        self._stop.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(30)
            self._thread = None
        self._link.close(farewell)
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether there is a link now. Says nothing about what was delivered."""
        return self._connected

    @property
    def goodput(self) -> float | None:
        """Acknowledged bytes a second while sending; None before the first measurement."""
        return self._window.goodput

    def wake(self) -> None:
        """Look at the outbox now. Safe to call from any thread."""
        self._link.events.put(_WAKE)

    def send_first(self, sequence: str) -> bool:
        """Send a sequence before all others and past the budget; whether it is still here."""
        found = self._outbox.ask_for(sequence)
        if (transfer := self._work.get(sequence)) is not None:
            transfer.asked_for = True
        self.wake()
        return found

    def say(self, message: Outgoing) -> None:
        """Publish a message besides sequences, once; without a link it is dropped, for it would be old news later.

        Safe to call from any thread.
        """
        if self._connected:
            self._outgoing.put(message)
            self.wake()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step(self._idle_s())
            except OSError as error:  # a StorageError is one
                # A failing card must not end delivery: what can still be read is still sent. A restart mends no card.
                _log.error("delivery: %s", error)
                self._stop.wait(1.0)
            self._beat()

    def _idle_s(self) -> float:
        """How long to wait for an event before something is due without one."""
        now_s = self._clock()
        due = [now_s + 1.0, self._quiet_until_s, *self._work.deadlines_s]
        if self._open_at_s is not None:
            due.append(self._open_at_s)
        return max(0.005, min(moment for moment in due if moment > now_s or moment == self._open_at_s) - now_s)

    def step(self, timeout_s: float) -> None:
        """Wait for an event for at most `timeout_s`, handle all there are, send what may be sent."""
        self._handle_events(timeout_s)
        now_s = self._clock()
        if not self._connected:
            if self._open_at_s is not None and now_s >= self._open_at_s:
                self._open_at_s = None
                self._link.open()
            return
        if self._window.stuck(now_s, self._pace.puback_timeout_s):
            self._link.close()
            self._handle_disconnected(Disconnected(f"a PUBACK is missing for {self._pace.puback_timeout_s:g} s"))
            return
        self._release_parked(now_s)
        self._work.ask_overdue(now_s)
        self._pump(now_s)

    def _handle_events(self, timeout_s: float) -> None:
        try:
            event = self._link.events.get(timeout=timeout_s) if timeout_s > 0 else self._link.events.get_nowait()
            while True:
                self._handle(event)
                event = self._link.events.get_nowait()
        except queue.Empty:
            return

    def _handle(self, event: Event) -> None:
        match event:
            case Connected():
                self._handle_connected(event)
            case Disconnected():
                self._handle_disconnected(event)
            case Acknowledged():
                self._handle_acknowledged(event)
            case Received() if event.topic == self._topics.receipt:
                self._handle_receipt(event)
            case Received() if event.topic == self._topics.command and self._on_command and event.payload:
                self._on_command(event)

    # -- the link

    def _handle_connected(self, event: Connected) -> None:
        now_s = self._clock()
        self._connected = True
        self._quiet_until_s = 0.0
        self._window.connected(event.receive_maximum, event.max_packet_bytes, event.keepalive_s)
        self._work.connected()
        self._outgoing = queue.SimpleQueue()  # what the last connection did not take is old news
        _log.info(
            "connected; receive maximum %d, packets up to %d bytes", event.receive_maximum, event.max_packet_bytes
        )
        self._mark_historical(now_s)
        for message in self._greetings():
            self._outgoing.put(message)

    def _mark_historical(self, now_s: float) -> None:
        outage_s = now_s - self._offline_since_s if self._offline_since_s is not None else 0.0
        if not self._waited_before and outage_s < self._pace.historical_after_s:
            return
        try:
            self._outbox.mark_historical()
            self._waited_before = False
        except StorageError as error:  # a full card has no room for the mark; the trap greets and sends all the same
            _log.warning("records that waited over an outage are not marked: %s", error)

    def _handle_disconnected(self, event: Disconnected) -> None:
        now_s = self._clock()
        pieces = self._window.broken()
        if self._connected:
            self._offline_since_s = now_s
        self._connected = False
        self._work.disconnected(pieces)
        wait_s = self._reconnect.wait_s()
        self._open_at_s = now_s + wait_s
        _log.info("no link (%s); next attempt in %.1f s", event.reason, wait_s)
        self._blame({piece.sequence for piece in pieces}, event)  # last: a full card has no room for a strike

    def _blame(self, sequences: set[str], event: Disconnected) -> None:
        struck = self._suspicion.cut(sequences, event.code)
        if struck is not None and self._outbox.strike(struck) >= self._pace.strikes:
            self._park(struck, f"the connection ended {self._pace.strikes} times while it was sent ({event.reason})")

    # -- answers

    def _handle_acknowledged(self, event: Acknowledged) -> None:
        now_s = self._clock()
        taken = self._window.acknowledged(event.mid, now_s)
        if taken is None:
            return
        piece, size = taken
        if piece is None and event.code >= 0x80:
            _log.warning("broker refused a state, an availability or a reply with reason code 0x%02x", event.code)
        transfer = self._work.get(piece.sequence) if piece else None
        if transfer is None or piece is None:
            return
        if event.code < 0x80 and event.code != NOBODY_LISTENS:
            self._taken_by_broker(transfer, size, now_s)
        elif event.code == NOBODY_LISTENS or event.code in _RETRY:
            transfer.returned(piece)
            if event.code == NOBODY_LISTENS:
                transfer.ask()
            self._pause(event.code, now_s)
        else:
            self._park(transfer.id, f"the broker refused it with reason code 0x{event.code:02x}")

    def _pause(self, code: int, now_s: float) -> None:
        """Leave a broker in trouble alone for a while: one growing pause, however many messages it answered so."""
        if now_s >= self._quiet_until_s:
            self._quiet_until_s = now_s + self._trouble.wait_s()
            _log.info("broker answered 0x%02x; next attempt in %.1f s", code, self._quiet_until_s - now_s)

    def _taken_by_broker(self, transfer: Transfer, size: int, now_s: float) -> None:
        self._reconnect.reset()
        self._trouble.reset()
        self._outbox.count(bytes_sent=size)
        self._suspicion.arrived(transfer.id)
        self._work.acknowledged(transfer, now_s)

    def _handle_receipt(self, event: Received) -> None:
        try:
            receipt = decode(event.payload, Receipt)
        except MessageError as error:
            _log.warning("receipt ignored: %s", error)
            return
        now_s = self._clock()
        self.last_receipt_s = now_s
        self._outbox.apply(receipt)
        self._work.hurry(now_s)
        transfer = self._work.get(receipt.sequence)
        if self._outbox.is_delivered(receipt.sequence):
            self._work.remove(receipt.sequence)
            if transfer is not None and self._on_delivered is not None:
                self._on_delivered(receipt.sequence)
        elif receipt.refused is not None or self._outbox.get(receipt.sequence) is None:
            self._work.remove(receipt.sequence)  # parked now; or given up, when the card was full
        elif transfer is not None and receipt.record_stored:
            self._work.answered(transfer, receipt, now_s)

    # -- sending

    def _release_parked(self, now_s: float) -> None:
        if now_s >= self._release_at_s:
            self._release_at_s = now_s + self._pace.release_parked_s
            if released := self._outbox.release():
                _log.info("%d parked sequences are tried again", released)

    def _pump(self, now_s: float) -> None:
        try:
            self._send_outgoing(now_s)
            if now_s < self._quiet_until_s:
                return
            self._work.refill()
            while self._window.has_room() and (transfer := self._choose()):
                self._send_next(transfer, now_s)
        except BrokerError as error:
            _log.info("not sent: %s", error)  # the Disconnected event is on its way

    def _send_outgoing(self, now_s: float) -> None:
        while self._window.has_room():
            try:
                message = self._outgoing.get_nowait()
            except queue.Empty:
                return
            mid = self._link.publish(
                message.topic, message.payload, retain=message.retain, correlation=message.correlation
            )
            self._window.sent(mid, None, len(message.payload), now_s)

    def _choose(self) -> Transfer | None:
        return self._work.choose(self.budget.left, self._suspicion, self._window.empty)

    def _send_next(self, transfer: Transfer, now_s: float) -> None:
        piece = transfer.next_piece(self._window.chunk_bytes)
        if piece is None:
            return
        try:
            record = transfer.record if piece.frame is not None else self._as_sent(transfer.record)
            message = self._reader.read(record, piece)
        except OSError as error:
            self._leave_out(transfer, piece, error)
            return
        if not self._window.fits(len(message.payload)):
            self._park(transfer.id, f"{len(message.payload)} bytes are more than the broker's largest packet")
            return
        try:
            mid = self._link.publish(message.topic, message.payload, properties=message.properties)
        except BrokerError:
            transfer.returned(piece)
            raise
        self._window.sent(mid, piece, len(message.payload), now_s)
        if piece.frame is not None:
            self.budget.spend(len(message.payload))

    def _as_sent(self, record: SequenceRecord) -> SequenceRecord:
        """Without its thumbnail where the link is so thin that the record alone is one message's worth."""
        if record.preview is None or len(encode(record)) <= self._window.chunk_bytes:
            return record
        return msgspec.structs.replace(record, preview=None)

    def _leave_out(self, transfer: Transfer, piece: Piece, error: OSError) -> None:
        """A frame that the card lost is left out, so that the rest arrives; what cannot be read now is tried later."""
        if piece.frame is None or not isinstance(error, FrameLostError):
            self._park(transfer.id, f"cannot be read now: {error}")
            return
        transfer.in_flight -= 1
        transfer.give_up_frame(piece.frame)
        if self._outbox.get(transfer.id) is None:  # the whole sequence was given up, when the card was full
            self._work.remove(transfer.id)
        self._outbox.drop_frames(transfer.id, [piece.frame], str(error))

    def _park(self, sequence: str, reason: str) -> None:
        self._work.remove(sequence)
        self._suspicion.forget(sequence)
        self._outbox.park(sequence, reason)  # last: a full card has no room for the change


_WAKE = Received("", b"")
