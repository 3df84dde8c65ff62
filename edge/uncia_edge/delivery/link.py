"""The wire to the broker: paho-mqtt, MQTT 5, treated as an unreliable pipe.

Decides how one connection is made, watched and ended, and turns all that happens on it into events in a queue; what is
published when is `delivery`. paho's own promises are not used, for reasons measured in docs/delivery.md: every
connection gets a new client, so that paho's queue (which would resend on its own, past every window) dies with it;
callbacks only enqueue (an exception in one kills paho's thread silently); the broker's Receive Maximum and Maximum
Packet Size are read here, because paho does not read them; a PUBACK's reason code is handed on, because paho counts
"not authorised" as published.
"""

import logging
import queue
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from uncia_contract.errors import BrokerError
from uncia_contract.messages.tls import Tls, tls_of
from uncia_contract.messages.topics import Topics
from uncia_edge.settings import BrokerSettings

_log = logging.getLogger(__name__)

# MQTT 5 defaults, where CONNACK is silent (sections 3.2.2.3.3 and 3.2.2.3.6 of the standard).
_RECEIVE_MAXIMUM = 65_535
_PACKET_MAXIMUM = 268_435_455
NOBODY_LISTENS = 0x10
NOT_AUTHORISED = 0x87
TAKEN_OVER = 0x8E  # another client connected under the same id
_UNSPECIFIED = 0x80
_CLOSED = "the broker closed the connection"
_OPENSSL = re.compile(r"^\[SSL[^]]*\] | \(_ssl\.c:\d+\)$")  # around what OpenSSL says


@dataclass(frozen=True)
class Connected:
    """CONNACK with success, and the broker's limits."""

    receive_maximum: int = _RECEIVE_MAXIMUM
    max_packet_bytes: int = _PACKET_MAXIMUM
    keepalive_s: int = 60


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone or never came; all that was not acknowledged is uncertain.

    `taken_over` says that another client connected under the same id, as far as can be known: Mosquitto 2.0.11 closes
    the connection without a word then.
    """

    reason: str
    code: int | None = None
    taken_over: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """PUBACK for one publish; `code` >= 0x80 is a failure, 0x10 means that nobody listens."""

    mid: int
    code: int


@dataclass(frozen=True)
class Received:
    """A message to this trap: a receipt or a command."""

    topic: str
    payload: bytes
    correlation: bytes | None = None
    response_topic: str | None = None


Event = Connected | Disconnected | Acknowledged | Received


@dataclass(frozen=True)
class Broker:
    """Where the broker is and how to talk to it."""

    host: str
    port: int = 1883
    keepalive_s: int = 60
    connect_timeout_s: float = 10.0
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None


def broker_of(settings: BrokerSettings) -> Broker:
    """The broker as it is configured."""
    tls = tls_of(settings.ca, settings.certificate, settings.key)
    return Broker(settings.host, settings.port, settings.keepalive_s, tls=tls)


@dataclass(frozen=True)
class MqttMessage:
    """One QoS 1 message; `properties` are user properties.

    After `expires_s` a broker no longer hands it on; None for never.
    """

    topic: str
    payload: bytes
    retain: bool = False
    correlation: bytes | None = None
    properties: Mapping[str, str] | None = None
    expires_s: int | None = None


class Pipe(Protocol):
    """What delivery needs of a link. `Link` is the real one; tests script their own."""

    events: "queue.SimpleQueue[Event]"

    def open(self) -> None:
        """Begin to connect; `Connected` or `Disconnected` follows as an event."""

    def close(self, farewell: str | None = None) -> None:
        """End the connection; no further event comes from it."""

    def publish(self, message: MqttMessage) -> int:
        """Hand over a message; the id that its `Acknowledged` will carry.

        Raises:
            BrokerError: not connected; nothing was queued.
        """


class Link:
    """One trap's connection to its broker, a new paho client for each attempt.

    Args:
        broker: where, and with which credentials.
        topics: the trap's topics: availability is the last will, receipt and command are subscribed to.
        client_id: defaults to the trap's id; two programs with one id throw each other out.
        last_will: whether the broker says `offline` for a connection that was cut.
    """

    def __init__(self, broker: Broker, topics: Topics, client_id: str | None = None, last_will: bool = True) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._broker, self._topics = broker, topics
        self._client_id, self._last_will = client_id or topics.trap, last_will
        self._tls = broker.tls.context() if broker.tls else None
        self._connection: _Connection | None = None

    def open(self) -> None:
        """Begin to connect, in a thread of its own; a connection that is still there is ended first."""
        self.close()
        self._connection = _Connection(self._make_client(), self._broker, self._topics, self.events)
        self._connection.start()

    def close(self, farewell: str | None = None) -> None:
        """End the connection without further events; `farewell` is published as availability first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end(farewell)

    def publish(self, message: MqttMessage) -> int:
        """Hand a message to paho; the packet id.

        Raises:
            BrokerError: not connected; nothing was queued.
        """
        client = self._connection.client if self._connection else None
        if client is None or not client.is_connected():
            raise BrokerError("not connected to the broker")
        properties = _publish_properties(message)
        info = client.publish(message.topic, message.payload, qos=1, retain=message.retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(f"publish refused by the client library: {mqtt.error_string(info.rc)}")
        return info.mid

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        client.max_inflight_messages_set(0)  # the window is delivery's
        client.connect_timeout = self._broker.connect_timeout_s
        if self._last_will:
            client.will_set(self._topics.availability, "offline", qos=1, retain=True)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


class _Connection:
    """One paho client from CONNECT to its end. Its callbacks do nothing but enqueue."""

    def __init__(self, client: mqtt.Client, broker: Broker, topics: Topics, events: "queue.SimpleQueue[Event]") -> None:
        self.client = client
        self._broker, self._topics, self._events = broker, topics, events
        self._reason = "connection lost"
        self._code: int | None = None
        self._limits = Connected()
        self._ended = False
        self._is_answered, self._socket_error = False, ""
        self._thread = threading.Thread(target=self._run, name="uncia-link", daemon=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish, client.on_message = self._on_publish, self._on_message
        client.enable_logger(self._make_logger())
        # With this set, publish() from another thread only queues and wakes our loop instead of writing itself.
        client.on_socket_register_write = _do_nothing

    def start(self) -> None:
        self._thread.start()

    def end(self, farewell: str | None) -> None:
        if farewell is not None and self.client.is_connected():
            _publish_farewell(self.client, self._topics.availability, farewell)
        self._ended = True
        self.client.disconnect()
        self._thread.join(self._broker.connect_timeout_s + 2)

    def _run(self) -> None:
        """The network thread; whatever ends it, `Disconnected` is the last event."""
        try:
            self.client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s, clean_start=True)
            while self.client.loop(timeout=1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                pass
        except Exception as error:  # noqa: BLE001 -- without a last event delivery waits for ever
            what = error.strerror if isinstance(error, OSError) else None
            self._reason = f"{self._broker.host}:{self._broker.port}: {what or f'{type(error).__name__}: {error}'}"
        self.client.drop_out_messages()
        self._drop_callbacks()
        self._put(Disconnected(self._reason, self._code, self._code == TAKEN_OVER or self._reason == _CLOSED))

    def _drop_callbacks(self) -> None:
        """Without these the client, and the sockets by which it wakes itself, would live until a garbage collection."""
        client = self.client
        client.on_connect = client.on_disconnect = client.on_subscribe = client.on_publish = client.on_message = None
        client.disable_logger()

    def _put(self, event: Event) -> None:
        if not self._ended:
            self._events.put(event)

    def _on_connect(
        self, client: mqtt.Client, _: Any, __: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._is_answered = True
        if code.is_failure:
            self._note_end(code)
            return
        self._limits = Connected(
            receive_maximum=int(getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM)),
            max_packet_bytes=int(getattr(properties, "MaximumPacketSize", _PACKET_MAXIMUM)),
            keepalive_s=int(getattr(properties, "ServerKeepAlive", self._broker.keepalive_s)),
        )
        # What a broker retains on these topics is old news: a retained `restart` would be obeyed at each connection.
        news = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(topic, news) for topic in (self._topics.receipt, self._topics.command)])

    def _on_subscribe(
        self, client: mqtt.Client, _: Any, __: Any, codes: list[ReasonCode], ___: Properties | None
    ) -> None:
        """Connected is who can hear receipts: whoever cannot would send the same for ever."""
        refused = [code for code in codes if code.is_failure]
        if refused:
            self._note_end(refused[0])
            self._reason = f"receipts may not be heard: {self._reason}"
            client.disconnect()
        else:
            self._put(self._limits)

    def _on_disconnect(self, _: mqtt.Client, __: Any, ___: Any, code: ReasonCode, ____: Properties | None) -> None:
        if self._code is None:
            self._note_end(code)
            if self._code == TAKEN_OVER:
                self._reason += f": another program connected as {self._topics.trap}"
            elif self._code == _UNSPECIFIED:  # paho's word for any connection that ended without the broker's
                self._reason = self._socket_error or _CLOSED + ("" if self._is_answered else " and answered nothing")

    def _make_logger(self) -> logging.Logger:
        """For paho, which tells only its log what a socket failed of, such as a certificate that was refused."""
        logger, handler = logging.Logger("uncia-link", logging.ERROR), logging.Handler()
        handler.emit = self._note_error  # type: ignore[method-assign]
        logger.addHandler(handler)
        return logger

    def _note_error(self, record: logging.LogRecord) -> None:
        what, _, why = record.getMessage().partition(" on socket: ")
        self._socket_error = _OPENSSL.sub("", why) or what

    def _on_publish(self, _: mqtt.Client, __: Any, mid: int, code: ReasonCode, ___: Properties | None) -> None:
        self._put(Acknowledged(mid, int(code.value)))

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        self._put(
            Received(
                message.topic, bytes(message.payload), correlation, getattr(message.properties, "ResponseTopic", None)
            )
        )

    def _note_end(self, code: ReasonCode) -> None:
        self._code, self._reason = int(code.value), str(code)


def _do_nothing(*_: object) -> None:
    pass


def _publish_farewell(client: mqtt.Client, topic: str, farewell: str) -> None:
    try:
        client.publish(topic, farewell, qos=1, retain=True).wait_for_publish(2.0)
    except (RuntimeError, ValueError) as error:
        _log.info("farewell not sent: %s", error)


def _publish_properties(message: MqttMessage) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.properties:
        properties.UserProperty = list(message.properties.items())
    if message.correlation is not None:
        properties.CorrelationData = message.correlation
    if message.expires_s is not None:
        properties.MessageExpiryInterval = message.expires_s
    return properties
