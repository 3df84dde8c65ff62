"""Delivery: takes sequences from the outbox and sends them while there is a link, until their receipts.

It runs `state_machine`: it reports the events of link, broker, collector and outbox, and publishes what follows. It
decides what each answer means (table in docs/delivery.md): nothing is published while offline; a PUBACK controls the
pace but does not prove that a sequence is stored; a reason code from 0x80 is a failure; a sequence that keeps failing
is parked, so that the next one can be sent.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from uncia_contract.errors import BrokerError, MessageError, StorageError
from uncia_contract.messages.records import Receipt, decode
from uncia_contract.messages.topics import Topics
from uncia_edge.clock import read_clock
from uncia_edge.delivery.chunk_reader import ChunkReader, FrameLostError, TooLargeError
from uncia_edge.delivery.link import (
    NOBODY_LISTENS,
    Acknowledged,
    Connected,
    Disconnected,
    Event,
    MqttMessage,
    Pipe,
    Received,
)
from uncia_edge.delivery.link_state import InFlight, LinkState, Pace, Piece, Room, Window
from uncia_edge.delivery.state_machine import ActiveTransfers
from uncia_edge.outbox.day import Budget, Day
from uncia_edge.outbox.sequence_table import BEST_FRAME, OTHER_FRAMES, RECORD
from uncia_edge.outbox.store import Outbox

_log = logging.getLogger(__name__)

_TAKEN = frozenset(range(0x80)) - {NOBODY_LISTENS}
# Codes for trouble of the broker, not of the message: unspecified, implementation specific, quota exceeded.
_RETRY = frozenset({0x80, 0x83, 0x97})


class Delivery:
    """Sends the outbox's sequences in its own thread (`start`, `stop`), or step by step in tests (`step`).

    Args:
        outbox: holds the waiting sequences.
        link: the connection to the broker.
        topics: the trap's topics.
        pace: timeouts and windows.
        on_delivered: called with the id when the collector's receipt for a whole sequence was applied.
        on_command: called with each message on the command topic.
        on_event: called with each event except an accepted PUBACK.
        greetings: called after each connect; returns what to publish first (availability, state).
        budget: of bytes of frames a day; None for no limit. Its limit may change while delivery runs.
        beat: called after each step, as a heartbeat.
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
        on_event: Callable[[Event], None] = lambda event: None,
        greetings: Callable[[], Iterable[MqttMessage]] | None = None,
        budget: Budget | None = None,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget, self._beat = budget or Budget(None, Day(outbox, read_clock), outbox), beat
        self._outbox, self._link, self._clock = outbox, link, clock
        self._receipt_topic, self._command_topic = topics.receipt, topics.command
        self._pace = pace or Pace()
        self._on_delivered, self._on_command, self._on_event = on_delivered, on_command, on_event
        self._greetings = greetings or (lambda: [MqttMessage(topics.availability, b"online", retain=True)])
        self._reader = ChunkReader(outbox, topics)
        self._window = Window(self._pace.limits)
        self._link_state = LinkState(self._pace, clock())
        self._transfers = ActiveTransfers(self._pace)
        self._messages: queue.SimpleQueue[MqttMessage] = queue.SimpleQueue()
        self._events: deque[Event] = deque()
        self._outbox_may_have_more = True
        self._uncounted_bytes = 0
        self._release_at_s = clock()
        self._waited_before = bool(outbox.queries.waiting())
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -- running

    def start(self) -> None:
        """Deliver in a thread until `stop`."""
        self._outbox.on_add = self.wake
        self._thread = threading.Thread(target=self._run, name="uncia-delivery", daemon=True)
        self._thread.start()

    def stop(self, farewell: str = "offline") -> None:
        """Stop, and publish `farewell` as availability. Messages in flight are sent again next time."""
        self._stop.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(30)
            self._thread = None
        self._link.close(farewell)
        self._link_state.disconnected(self._clock())
        self._save_numbers()

    @property
    def connected(self) -> bool:
        """Whether there is a link now; it does not say whether anything was delivered."""
        return self._link_state.is_connected

    @property
    def is_idle(self) -> bool:
        """Whether the broker has acknowledged everything that was published."""
        return self._messages.empty() and self._window.room().oldest_s is None

    @property
    def goodput(self) -> float | None:
        """Acknowledged bytes a second while sending; None before the first measurement."""
        return self._window.goodput

    def wake(self) -> None:
        """Make delivery look at the outbox now. Safe to call from any thread."""
        self._link.events.put(_WAKE)

    def send_first(self, sequence: str) -> bool:
        """Send a sequence before all others, regardless of the budget; return whether the outbox still has it."""
        found = self._outbox.ask_for(sequence)
        self._transfers.asked_for(sequence)
        self.wake()
        return found

    def publish(self, message: MqttMessage) -> None:
        """Publish a message that belongs to no sequence; without a link it is dropped. Safe to call from any thread."""
        if self._link_state.is_connected:
            self._messages.put(message)
            self.wake()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step(self._idle_s())
            except OSError as error:  # also a StorageError
                # Go on with a failing card: what can still be read is sent. A restart would not repair the card.
                _log.error("delivery: %s", error)
                self._stop.wait(1.0)
            self._beat()

    def _idle_s(self) -> float:
        """How many seconds to wait for an event, at most until the next thing is due."""
        now_s = self._clock()
        state = self._link_state
        due = [state.connect_at_s, state.paused_until_s, self._transfers.next_deadline_s(now_s)]
        next_s = now_s + 1.0
        for at_s in due:
            if at_s is not None and (at_s > now_s or at_s == state.connect_at_s):
                next_s = min(next_s, at_s)
        return max(0.005, next_s - now_s)

    def step(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` for an event, handle all events, send what may be sent."""
        self._handle_events(timeout_s)
        now_s = self._clock()
        if not self._link_state.is_connected:
            if self._link_state.begin_to_connect(now_s):
                self._link.open()
            return
        room = self._window.room()
        if room.oldest_s is not None and now_s - room.oldest_s > self._pace.puback_timeout_s:
            self._link.close()
            self._handle_disconnected(Disconnected(f"a PUBACK is missing for {self._pace.puback_timeout_s:g} s"))
            return
        if now_s >= self._release_at_s:
            self._release_parked(now_s)
        try:
            self._send(room, now_s)
        except BrokerError as error:
            _log.info("not sent: %s", error)  # the Disconnected event is on its way

    # -- events

    def _handle_events(self, timeout_s: float) -> None:
        self._receive(timeout_s)
        while self._events:
            taken = []
            while self._events and isinstance(event := self._events[0], Acknowledged) and event.code in _TAKEN:
                taken.append(event.mid)
                self._events.popleft()
            if taken:
                self._handle_taken(taken)
            else:
                self._handle(self._events.popleft())

    def _receive(self, timeout_s: float) -> None:
        """Collect all waiting events; if there are none, wait at most `timeout_s` for one."""
        queued = self._link.events
        try:
            if not self._events:
                self._events.append(queued.get(timeout=timeout_s) if timeout_s > 0 else queued.get_nowait())
        except queue.Empty:
            self._outbox_may_have_more = True
            self._save_numbers()
        while not queued.empty():
            self._events.append(queued.get_nowait())

    def _handle(self, event: Event) -> None:
        is_receipt = isinstance(event, Received) and event.topic == self._receipt_topic
        self._on_event(event)
        self._outbox_may_have_more |= not is_receipt  # after a receipt, `_handle_receipt` decides
        match event:
            case Connected():
                self._handle_connected(event)
            case Disconnected():
                self._handle_disconnected(event)
            case Acknowledged():
                self._handle_not_taken(event)
            case Received() if event.topic == self._receipt_topic:
                self._handle_receipt(event)
            case Received() if event.topic == self._command_topic and self._on_command and event.payload:
                self._on_command(event)

    def _handle_connected(self, event: Connected) -> None:
        outage_s = self._link_state.connected(self._clock())
        self._window.connected(event.receive_maximum, event.max_packet_bytes, event.keepalive_s)
        self._transfers.connected()
        self._messages = queue.SimpleQueue()  # messages left from the last connection are outdated
        limits = event.receive_maximum, event.max_packet_bytes
        _log.info("connected; receive maximum %d, packets up to %d bytes", *limits)
        if self._waited_before or outage_s >= self._pace.historical_after_s:
            self._mark_historical()
        for message in self._greetings():
            self._messages.put(message)

    def _mark_historical(self) -> None:
        try:
            self._outbox.mark_historical()
            self._waited_before = False
        except StorageError as error:  # a full card has no room for the mark; the trap goes on
            _log.warning("records that waited during an outage are not marked: %s", error)

    def _handle_disconnected(self, event: Disconnected) -> None:
        wait_s = self._link_state.disconnected(self._clock())
        struck = self._transfers.disconnected(self._window.broken(), event.code)
        _log.info("no link (%s); next attempt in %.1f s", event.reason, wait_s)
        if struck is not None and self._outbox.strike(struck) >= self._pace.strikes:  # last: a full card has no room
            self._park(struck, f"the connection ended {self._pace.strikes} times while it was sent ({event.reason})")

    def _handle_taken(self, mids: Sequence[int]) -> None:
        """Note acknowledged messages. It uses no disk, so that a failing card cannot leave some of them out."""
        now_s = self._clock()
        found = (self._window.acknowledged(mid, now_s) for mid in mids)
        taken_bytes = self._transfers.acknowledged([one for one in found if one is not None], now_s)
        self._uncounted_bytes += taken_bytes
        if taken_bytes:
            self._link_state.working()

    def _handle_not_taken(self, event: Acknowledged) -> None:
        now_s, code = self._clock(), event.code
        message = self._window.acknowledged(event.mid, now_s)
        if message is None:
            return
        piece = message.piece
        if piece is None:
            if code >= 0x80:
                _log.warning("broker refused a state, an availability or a reply with reason code 0x%02x", code)
        elif piece.record.id not in self._transfers.ids:
            return  # its receipt came before this PUBACK
        elif code == NOBODY_LISTENS or code in _RETRY:
            self._transfers.not_taken(piece, ask=code == NOBODY_LISTENS)
            if (pause_s := self._link_state.troubled(now_s)) is not None:
                _log.info("broker answered 0x%02x; next attempt in %.1f s", code, pause_s)
        else:
            self._park(piece.record.id, f"the broker refused it with reason code 0x{code:02x}")

    def _handle_receipt(self, event: Received) -> None:
        try:
            receipt = decode(event.payload, Receipt)
        except MessageError as error:
            _log.warning("receipt ignored: %s", error)
            return
        self._save_numbers()  # before `apply`, whose commit writes them
        outcome = self._outbox.apply(receipt)
        places = self._transfers.places()
        was_sent = self._transfers.receipt(receipt, outcome != "kept", self._clock())
        self._outbox_may_have_more |= outcome != "kept" or self._transfers.places() != places
        if outcome == "delivered" and was_sent and self._on_delivered is not None:
            self._on_delivered(receipt.sequence)

    def _save_numbers(self) -> None:
        """Pass counted bytes to the outbox, which writes them with its next commit."""
        if self._uncounted_bytes:
            self._outbox.count(bytes_sent=self._uncounted_bytes)
            self._uncounted_bytes = 0
        self.budget.save()

    # -- sending

    def _release_parked(self, now_s: float) -> None:
        self._release_at_s = now_s + self._pace.release_parked_s
        if released := self._outbox.release():
            _log.info("trying %d parked sequences again", released)

    def _send(self, room: Room, now_s: float) -> None:
        if not self._messages.empty():
            room = self._send_messages(room, now_s)
        if now_s < self._link_state.paused_until_s:
            return
        if self._outbox_may_have_more:
            self._take_up()
        more = True
        while more:
            frame_bytes = self.budget.left() if self.budget.is_limited else None
            pieces = self._transfers.next_pieces(room, now_s, frame_bytes)
            more = bool(pieces) and self._send_pieces(pieces, room, now_s)
            room = self._window.room() if more else room

    def _send_messages(self, room: Room, now_s: float) -> Room:
        sent: dict[int, InFlight] = {}
        free_bytes = room.bytes
        while len(sent) < room.items and free_bytes > 0 and not self._messages.empty():
            message = self._messages.get_nowait()
            sent[self._link.publish(message)] = InFlight(None, len(message.payload), now_s)
            free_bytes -= len(message.payload)
        self._window.sent(sent)
        return self._window.room()

    def _take_up(self) -> None:
        """Take unsent records, and sequences with unsent frames, from the outbox."""
        records, frames = self._transfers.places()
        if records > 0:
            self._transfers.take_up(self._outbox.next(records, self._transfers.ids, (RECORD, RECORD)))
        if frames > 0:
            self._transfers.take_up(self._outbox.next(frames, self._transfers.ids, (BEST_FRAME, OTHER_FRAMES)))
        self._outbox_may_have_more = False

    def _send_pieces(self, pieces: Sequence[Piece], room: Room, now_s: float) -> bool:
        """Publish pieces in order, up to the first that fails; return whether there may be room for more.

        Raises:
            BrokerError: the link is gone; the pieces that were not published are returned to `state_machine`.
        """
        sent: dict[int, InFlight] = {}
        messages, failure = self._read(pieces, room)
        frame_bytes = 0
        try:
            for piece, message in zip(pieces, messages, strict=False):
                size = len(message.payload)
                sent[self._link.publish(message)] = InFlight(piece, size, now_s)
                frame_bytes += size if piece.frame is not None else 0
        except OSError as error:  # also a BrokerError
            failure = error
        self._window.sent(sent)
        self.budget.spend(frame_bytes)
        if failure is not None:
            self._not_sent(pieces[len(sent) :], failure)
        return failure is not None or pieces[0].frame is None  # after chunks: the window is full or no chunk is left

    def _read(self, pieces: Sequence[Piece], room: Room) -> tuple[list[MqttMessage], OSError | None]:
        """The messages of pieces up to the first that cannot be read, and its error or None."""
        messages: list[MqttMessage] = []
        try:
            for piece in pieces:
                messages.append(self._reader.read(piece, room))
        except OSError as error:
            return messages, error
        return messages, None

    def _not_sent(self, pieces: Sequence[Piece], error: OSError) -> None:
        """Return unpublished pieces to `state_machine`; the first of them failed.

        A lost frame is dropped, so that the other frames arrive. A sequence that cannot be read now is parked.
        """
        self._transfers.returned(pieces[::-1])
        failed, sequence = pieces[0], pieces[0].record.id
        if isinstance(error, BrokerError):
            raise error
        if failed.frame is None or not isinstance(error, FrameLostError):
            self._park(sequence, str(error) if isinstance(error, TooLargeError) else f"cannot be read now: {error}")
            return
        self._transfers.frame_lost(failed)
        if self._outbox.get(sequence) is None:  # the whole sequence was dropped when the card was full
            self._transfers.remove(sequence)
        self._outbox.drop_frames(sequence, [failed.frame], str(error))

    def _park(self, sequence: str, reason: str) -> None:
        self._transfers.remove(sequence)
        self._outbox_may_have_more = True
        self._outbox.park(sequence, reason)  # last: a full card has no room for the change


_WAKE = Received("", b"")
