"""The connection to the broker, with paho-mqtt and MQTT 5.

Decides how a connection is made, watched and ended, and puts everything that happens on it into a queue of events.
`sender` decides what is published when. paho's own guarantees are not used (docs/delivery.md has the measurements):
- Each connection gets a new client, because paho's queue would resend on its own and ignore every limit.
- Callbacks only enqueue, because an exception in a callback ends paho's thread silently.
- The broker's Receive Maximum and Maximum Packet Size are read here, because paho ignores them.
- A PUBACK's reason code is passed on, because paho counts "not authorised" as published.
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

# MQTT 5 defaults if CONNACK does not give them (sections 3.2.2.3.3 and 3.2.2.3.6 of the standard).
_RECEIVE_MAXIMUM = 65_535
_PACKET_MAXIMUM = 268_435_455
NOBODY_LISTENS = 0x10
NOT_AUTHORISED = 0x87
TAKEN_OVER = 0x8E  # another client connected with the same id
_UNSPECIFIED = 0x80
_CLOSED = "the broker closed the connection"
_OPENSSL = re.compile(r"^\[SSL[^]]*\] | \(_ssl\.c:\d+\)$")  # the parts around OpenSSL's message


@dataclass(frozen=True)
class Connected:
    """The broker accepted the connection; its limits."""

    receive_maximum: int = _RECEIVE_MAXIMUM
    max_packet_bytes: int = _PACKET_MAXIMUM
    keepalive_s: int = 60


@dataclass(frozen=True)
class Disconnected:
    """The connection ended or could not be made; unacknowledged messages may or may not have arrived.

    `taken_over`: another client probably connected with the same id. Mosquitto 2.0.11 then closes the connection
    without giving a reason.
    """

    reason: str
    code: int | None = None
    taken_over: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """A PUBACK for one publish; `code` >= 0x80 is a failure, 0x10 means that nobody is subscribed."""

    mid: int
    code: int


@dataclass(frozen=True)
class Received:
    """A message to this trap: a receipt, a command, or the state retained under its id."""

    topic: str
    payload: bytes
    correlation: bytes | None = None
    response_topic: str | None = None


Event = Connected | Disconnected | Acknowledged | Received


@dataclass(frozen=True)
class Broker:
    """The broker's address, credentials and timeouts."""

    host: str
    port: int = 1883
    keepalive_s: int = 60
    connect_timeout_s: float = 10.0
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None


def broker_of(settings: BrokerSettings) -> Broker:
    """The broker of a configuration.

    Raises:
        ConfigurationError: a file of certificates or keys cannot be used.
    """
    tls = tls_of(settings.ca, settings.certificate, settings.key)
    return Broker(settings.host, settings.port, settings.keepalive_s, tls=tls)


@dataclass(frozen=True)
class MqttMessage:
    """One QoS 1 message; `properties` are user properties.

    After `expires_s` seconds the broker no longer delivers it; None for never.
    """

    topic: str
    payload: bytes
    retain: bool = False
    correlation: bytes | None = None
    properties: Mapping[str, str] | None = None
    expires_s: int | None = None


class Pipe(Protocol):
    """What delivery needs of a link. `Link` is the real one; tests have a scripted one."""

    events: "queue.SimpleQueue[Event]"

    def open(self) -> None:
        """Start to connect; `Connected` or `Disconnected` follows as an event."""

    def close(self, farewell: str | None = None) -> None:
        """End the connection; it gives no further event."""

    def publish(self, message: MqttMessage) -> int:
        """Publish a message; return the id that its `Acknowledged` will have.

        Raises:
            BrokerError: not connected; nothing was queued.
        """


class Link:
    """One trap's connection to its broker, a new paho client for each attempt.

    Args:
        broker: address and credentials.
        topics: the trap's topics: availability gets the last will; receipt and command are subscribed to.
        client_id: by default the trap's id; two programs with one id disconnect each other.
        last_will: whether the broker publishes `offline` when the connection breaks.
    """

    def __init__(self, broker: Broker, topics: Topics, client_id: str | None = None, last_will: bool = True) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._broker, self._topics = broker, topics
        self._client_id, self._last_will = client_id or topics.trap, last_will
        self._tls = broker.tls.context() if broker.tls else None
        self._connection: _Connection | None = None

    def open(self) -> None:
        """Start to connect, in a new thread; a connection that is still open is ended first."""
        self.close()
        self._connection = _Connection(self._make_client(), self._broker, self._topics, self.events)
        self._connection.start()

    def close(self, farewell: str | None = None) -> None:
        """End the connection without further events; `farewell` is published as availability first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end(farewell)

    def publish(self, message: MqttMessage) -> int:
        """Publish a message with paho; return its packet id.

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
        client.max_inflight_messages_set(0)  # no limit here: delivery has its own
        client.connect_timeout = self._broker.connect_timeout_s
        if self._last_will:
            client.will_set(self._topics.availability, "offline", qos=1, retain=True)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


class _Connection:
    """One paho client from CONNECT to its end. Its callbacks only enqueue events."""

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
        # With this callback, publish() in another thread only queues and wakes our loop, and does not write itself.
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
        """The network thread. However it ends, its last event is `Disconnected`."""
        try:
            self.client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s, clean_start=True)
            while self.client.loop(timeout=1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                pass
        except Exception as error:  # noqa: BLE001 -- without a last event delivery would wait for ever
            what = error.strerror if isinstance(error, OSError) else None
            self._reason = f"{self._broker.host}:{self._broker.port}: {what or f'{type(error).__name__}: {error}'}"
        self.client.drop_out_messages()
        self._drop_callbacks()
        self._put(Disconnected(self._reason, self._code, self._code == TAKEN_OVER or self._reason == _CLOSED))

    def _drop_callbacks(self) -> None:
        """Break reference cycles, so that the client and its sockets are freed without a garbage collection."""
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
        # No retained messages: a retained `restart` would be obeyed at each connection.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        # The retained state shows who wrote it last: this trap, or another one with its id.
        retained = SubscribeOptions(qos=0, noLocal=True, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
        heard = [(self._topics.receipt, options), (self._topics.command, options)]
        client.subscribe([*heard, (self._topics.state, retained)])

    def _on_subscribe(
        self, client: mqtt.Client, _: Any, __: Any, codes: list[ReasonCode], ___: Properties | None
    ) -> None:
        """Count as connected only if subscribed: without receipts, the trap would send the same for ever.

        Its own state may be refused: the access list of a broker set up by release 0.1 does not allow it.
        """
        refused = [code for code in codes[:2] if code.is_failure]
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
            elif self._code == _UNSPECIFIED:  # paho's code if the broker gave no reason
                self._reason = self._socket_error or _CLOSED + ("" if self._is_answered else " and answered nothing")

    def _make_logger(self) -> logging.Logger:
        """A logger for paho: only there it says why a socket failed, e.g. that a certificate was refused."""
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
        _log.info("last availability not sent: %s", error)


def _publish_properties(message: MqttMessage) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.properties:
        properties.UserProperty = list(message.properties.items())
    if message.correlation is not None:
        properties.CorrelationData = message.correlation
    if message.expires_s is not None:
        properties.MessageExpiryInterval = message.expires_s
    return properties
