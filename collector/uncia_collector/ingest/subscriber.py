"""Receives messages from the broker, commits them in batches, acknowledges them, and sends receipts, in this order.

The broker is spoken to with MQTT 5, QoS 1, and a session that stays when the collector stops. A message is acknowledged
after its commit. If a batch cannot be stored because the disk is full or the database is down, it is tried again and
nothing is acknowledged meanwhile; a single message that makes the store fail is quarantined. paho's callbacks only put
messages into a queue; a worker thread does the rest.
"""

import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from sqlalchemy.exc import InterfaceError, OperationalError

from uncia_collector.ingest.broker import broker_client, heard_topics
from uncia_collector.ingest.budgets import Budgets
from uncia_collector.ingest.group import shared_name
from uncia_collector.ingest.quarantine import KEPT_BYTES
from uncia_collector.ingest.store import AddressedReceipt, Store
from uncia_collector.ingest.wire_messages import (
    MAX_MESSAGE_BYTES,
    Message,
    OverBudgetMessage,
    RawMessage,
    RecordMessage,
    RefusedMessage,
    RetainedMessage,
    StateMessage,
    parse_message,
)
from uncia_collector.logs import logger
from uncia_collector.settings import BrokerSettings, BudgetSettings
from uncia_contract.errors import BrokerError, StorageError
from uncia_contract.messages.records import TrapState, encode
from uncia_contract.messages.topics import Topics

RECEIVE_MAXIMUM = 512  # the most unacknowledged messages from the broker: this limits memory
MAX_PACKET_BYTES = 16 * 1024 * 1024  # above the message limit, so that too large messages come, are counted and shown
SESSION_EXPIRY_S = 7 * 24 * 3600
BATCH_MESSAGES = 256
BATCH_BYTES = 8 * 1024 * 1024
PUBLISH_S = 10.0
HANGS_S = 60.0  # a batch takes milliseconds
RESUBSCRIBE_S = 30.0  # after a refusal; so a corrected access list at the broker needs no restart of the collector
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_RETRIED = (StorageError, OperationalError, InterfaceError)  # disk full, database locked or down: they may recover
_UNSPECIFIED = 0x80  # paho's code if the broker gave no reason

log = logger("ingest")

Batch = list[tuple[RawMessage, Message]]


@dataclass(frozen=True)
class _Token:
    """What is needed to acknowledge one message; the message id is valid only on its connection."""

    connection: int
    mid: int
    qos: int


class Ingest:
    """Subscribes to the traps' topics below one root and commits the messages to one store."""

    def __init__(
        self,
        settings: BrokerSettings,
        root: str,
        store: Store,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        budgets: Budgets | None = None,
    ) -> None:
        self.settings, self.root, self.store, self.now = settings, root, store, now
        self.budgets = budgets or Budgets(BudgetSettings())
        self.announce: Callable[[TrapState], list[tuple[str, bytes]]] | None = None  # makes messages of a state
        self.trouble = ""  # why nothing is being stored at the moment
        self.dropped = 0
        self.refusals = 0  # batches that could not be stored when they came
        self._arrived: queue.Queue[RawMessage | None] = queue.Queue(maxsize=4 * RECEIVE_MAXIMUM)
        self._stopping, self._subscribed = threading.Event(), threading.Event()
        self._connection, self._group = 0, ""
        self._batch_since_s: float | None = None
        self._client = broker_client(settings)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._worker = threading.Thread(target=self._work, name="uncia-ingest", daemon=True)

    def start(self) -> None:
        """Start the threads; the connection is retried until the broker is there."""
        self._group = shared_name(self.store.database, self.settings.group)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        # The broker must queue no messages for a member of a group that died: the others get them.
        alone = not self.settings.group
        session.SessionExpiryInterval = SESSION_EXPIRY_S if alone else 0
        session.ReceiveMaximum = RECEIVE_MAXIMUM
        session.MaximumPacketSize = MAX_PACKET_BYTES
        broker = self.settings
        self._client.connect_async(
            broker.host, broker.port, broker.keepalive_s, clean_start=not alone, properties=session
        )
        self._worker.start()
        self._client.loop_start()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the broker has accepted the subscription.

        Raises:
            BrokerError: it has not within `timeout_s`.
        """
        if not self._subscribed.wait(timeout_s):
            raise BrokerError(f"broker {self._broker}: no connection within {timeout_s:g} s; is it running?")

    @property
    def connected(self) -> bool:
        """Whether the collector is subscribed now."""
        return self._subscribed.is_set()

    def alive(self) -> bool:
        """Whether the worker runs and does not hang; waiting for disk space or for the database is not hanging."""
        since_s = self._batch_since_s
        hangs = since_s is not None and not self.trouble and time.monotonic() - since_s > HANGS_S
        return self._worker.is_alive() and not hangs

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message; return when the broker has it.

        Raises:
            BrokerError: there is no connection, or no answer.
        """
        if not self._client.is_connected():
            raise BrokerError(f"broker {self._broker}: no connection")
        sent = self._client.publish(topic, payload, qos=1)
        sent.wait_for_publish(PUBLISH_S)
        if not sent.is_published():
            raise BrokerError(f"broker {self._broker}: no answer within {PUBLISH_S:g} s")

    def stop(self) -> None:
        """Stop the threads. The broker sends again what was received and not committed."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        with suppress(queue.Full):  # then the worker is not waiting for a message
            self._arrived.put_nowait(None)
        self._worker.join()

    # -- paho's thread: nothing here may wait or raise -----------------------------------------------------------

    def _on_connect(
        self, _client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            log.error("broker refused the connection", broker=self._broker, reason=str(reason))
            return
        self._connection += 1
        log.info("connected", broker=self._broker)
        self._subscribe()

    def _subscribe(self) -> None:
        # Retained messages of sequences keep their flag even when they come live (see RetainedMessage).
        topics = heard_topics(self.root, self._group)
        self._client.subscribe(
            [(topic, SubscribeOptions(qos=1, retainAsPublished=topic.endswith("/#"))) for topic in topics]
        )

    def _on_connect_fail(self, _client: mqtt.Client, _data: object) -> None:
        error = sys.exception()  # paho calls this while it handles the exception
        reason = getattr(error, "strerror", None) or str(error or "unknown")
        log.warning("broker not reachable, trying again", broker=self._broker, reason=reason)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, reasons: list[ReasonCode], _more: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            said = [str(reason) for reason in reasons]
            log.error("subscription refused, trying again", broker=self._broker, reasons=said, in_s=RESUBSCRIBE_S)
            again = threading.Timer(RESUBSCRIBE_S, self._subscribe)  # does nothing without a connection
            again.daemon = True
            again.start()
        else:
            log.info("subscribed", broker=self._broker)
            self._subscribed.set()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _: object
    ) -> None:
        self._subscribed.clear()
        if not self._stopping.is_set():
            why = "the broker closed the connection" if reason.value == _UNSPECIFIED else str(reason)
            log.warning("connection lost", broker=self._broker, reason=why)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        properties = getattr(message.properties, "UserProperty", ())
        token = _Token(self._connection, message.mid, message.qos)
        payload, size = bytes(message.payload), 0
        if not self.budgets.allows(_sender(topic, self.root), len(topic) + len(payload)):
            self._acknowledge(RawMessage(topic, b"", token=token))
            return
        if len(payload) > MAX_MESSAGE_BYTES:
            payload, size = payload[:KEPT_BYTES], len(payload)  # hundreds of whole ones would fill the memory
        try:
            self._arrived.put_nowait(RawMessage(topic, payload, properties, message.retain, token, size))
        except queue.Full:  # the broker ignores RECEIVE_MAXIMUM; an unacknowledged message comes again
            self.dropped += 1

    @property
    def _broker(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    # -- the worker's thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (first := self._arrived.get()) is not None and not self._stopping.is_set():
            batch: Batch = [(raw, parse_message(raw, self.root)) for raw in self._batch_from(first)]
            batch += [(RawMessage("", b""), message) for message in self._over_budget()]
            self._batch_since_s = time.monotonic()
            receipts = self._store(batch)
            if receipts is None:
                return
            try:
                self._answer(batch, receipts)
            except Exception as error:  # noqa: BLE001 - all is committed; a trap without a receipt asks again
                log.error("batch not answered", messages=len(batch), error=repr(error)[:300])
            self._batch_since_s = None

    def _over_budget(self) -> list[OverBudgetMessage]:
        dropped = [OverBudgetMessage(trap, count) for trap, count in self.budgets.take_dropped().items()]
        for one in dropped:
            log.warning("over its budget, dropped", trap=one.trap, messages=one.count)
        return dropped

    def _answer(self, batch: Batch, receipts: list[AddressedReceipt]) -> None:
        for raw, _ in batch:
            self._acknowledge(raw)
        for topic in {message.topic for _, message in batch if isinstance(message, RetainedMessage) and message.kept}:
            self._client.publish(topic, b"", qos=1, retain=True)
        for receipt in receipts:
            self._send(receipt)
        self._announce([message.state for _, message in batch if isinstance(message, StateMessage)])

    def _batch_from(self, first: RawMessage) -> list[RawMessage]:
        """The first message and the queued ones after it, up to the size of a batch."""
        raw_messages, size = [first], len(first.payload)
        while len(raw_messages) < BATCH_MESSAGES and size < BATCH_BYTES:
            try:
                raw = self._arrived.get_nowait()
            except queue.Empty:
                break
            if raw is None:
                self._arrived.put(None)
                break
            raw_messages.append(raw)
            size += len(raw.payload)
        return raw_messages

    def _store(self, batch: Batch) -> list[AddressedReceipt] | None:
        """Commit the batch, however long that takes, and return its receipts; None if the collector stops before."""
        for attempt in range(1_000_000_000):
            try:
                receipts = self.store.commit([message for _, message in batch], self.now())
            except _RETRIED as error:
                self._wait(attempt, error)
                if self._stopping.is_set():
                    return None
                continue
            except Exception as error:  # noqa: BLE001 - a message that breaks the store must not stop the others
                return self._store_singly(batch, error)
            self.trouble = ""
            return receipts
        return None

    def _store_singly(self, batch: Batch, error: Exception) -> list[AddressedReceipt] | None:
        log.error("batch refused by the store", messages=len(batch), error=repr(error)[:300])
        if len(batch) == 1:
            raw, message = batch[0]
            if isinstance(message, RefusedMessage):
                return []
            reason = f"the store refused it: {type(error).__name__}"
            # The trap of a refused record gets a receipt that names the refusal.
            key = (message.record.trap, message.record.id) if isinstance(message, RecordMessage) else ()
            return self._store([(raw, RefusedMessage(raw.topic, raw.payload, reason, *key))])
        receipts: list[AddressedReceipt] = []
        for one in batch:
            stored = self._store([one])
            if stored is None:
                return None
            receipts += stored
        return receipts

    def _wait(self, attempt: int, error: Exception) -> None:
        self.trouble = str(getattr(error, "orig", error)).strip().split("\n", maxsplit=1)[0][:300]
        self.refusals += 1
        delay_s = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
        log.error("cannot store, trying again", trouble=self.trouble, in_s=delay_s)
        self._stopping.wait(delay_s)

    def _acknowledge(self, raw: RawMessage) -> None:
        token = raw.token
        if isinstance(token, _Token) and token.qos and token.connection == self._connection:
            self._client.ack(token.mid, token.qos)

    def _announce(self, states: list[TrapState]) -> None:
        """Publish the messages that `announce` makes of traps' states, retained."""
        if self.announce is None:
            return
        for state in states:
            for topic, payload in self.announce(state):
                self._client.publish(topic, payload, qos=1, retain=True)

    def _send(self, addressed: AddressedReceipt) -> None:
        """Send a receipt; if it is lost, the trap asks again."""
        if self._client.is_connected():
            topic = Topics(addressed.trap, self.root).receipt
            self._client.publish(topic, encode(addressed.receipt), qos=1)


def _sender(topic: str, root: str) -> str:
    """The trap in a topic, unchecked; "" for all topics without one."""
    return topic[len(root) + 1 :].split("/", 1)[0][:40] if topic.startswith(root + "/") else ""
