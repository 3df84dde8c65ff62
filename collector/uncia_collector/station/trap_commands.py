"""Sends commands to a trap and waits for its replies (MQTT 5 request and response with correlation data).

A command is repeated until the time is over, because the broker keeps no command for a trap that is offline; only
`restart` is sent once. The connection has its own identity (`Ask`), so only one program can use it at a time.
"""

import fcntl
import os
import queue
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from uncia_collector.ingest.broker import broker_client, connect, identity_of
from uncia_collector.settings import BrokerSettings
from uncia_contract.errors import BrokerError, ConfigurationError, DataError, MessageError
from uncia_contract.messages.records import BundlePiece, Command, Reply, decode, encode
from uncia_contract.messages.topics import Topics
from uncia_contract.model.bundle import bundle_from_bytes, bundle_offer

RETRY_S = 20.0
PIECE_BYTES = 16 * 1024


class CommandClient:
    """A connection for commands to one trap. Use it as a context manager.

    Args:
        broker: the collector's settings of the broker.
        topics: the trap's topics.
        timeout_s: how long to wait for one reply, with repetitions.
        retry_s: how long to wait for a reply before the command is sent again.
    """

    def __init__(
        self, broker: BrokerSettings, topics: Topics, timeout_s: float = 60.0, retry_s: float = RETRY_S
    ) -> None:
        self._broker = identity_of(broker, "ask")
        self._topics, self._timeout_s, self._retry_s = topics, timeout_s, retry_s
        self._replies: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
        self._client = broker_client(self._broker)
        self._subscribed = threading.Event()
        self._key_file: BinaryIO | None = None
        self._client.on_connect = lambda client, *_: client.subscribe(topics.reply, qos=0)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            BrokerError: the broker cannot be reached, or another `ask` is still running.
        """
        self._key_file = _lock_key(self._broker.key, self._timeout_s)
        try:
            connect(self._client, self._broker)
        except BrokerError:
            self._release_key()
            raise
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        self._release_key()

    def request(self, command: Command) -> Reply:
        """Send a command and return the trap's reply.

        Raises:
            BrokerError: no reply came within `timeout_s`.
        """
        correlation, deadline_s = os.urandom(8), time.monotonic() + self._timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if not self._subscribed.wait(left_s):
                break
            self._publish(command, correlation)
            reply = self._await_reply(correlation, left_s if command.name == "restart" else min(left_s, self._retry_s))
            if reply is not None:
                return reply
        raise BrokerError(f"{self._topics.trap}: no answer within {self._timeout_s:g} s; is the trap online?")

    def _release_key(self) -> None:
        if self._key_file is not None:
            self._key_file.close()

    def _publish(self, command: Command, correlation: bytes) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.CorrelationData, properties.ResponseTopic = correlation, self._topics.reply
        self._client.publish(self._topics.command, encode(command), qos=1, properties=properties)

    def _await_reply(self, correlation: bytes, timeout_s: float) -> Reply | None:
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                answered, payload = self._replies.get(timeout=left_s)
                if answered == correlation:
                    return decode(payload, Reply)
            except queue.Empty:
                return None
            except MessageError as error:
                raise BrokerError(f"{self._topics.trap}: its reply cannot be read: {error}") from error
        return None

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if message.retain:  # traps retain no reply; clear it, or the broker sends it to every subscriber
            self._client.publish(message.topic, b"", retain=True)
            return
        self._replies.put((getattr(message.properties, "CorrelationData", b""), bytes(message.payload)))


def _lock_key(key: str, timeout_s: float) -> BinaryIO | None:
    """Lock the file of the key and return it; with no key, None.

    Only one program may use the certificate: the broker ends a session when a second one begins with the same name.
    """
    if not key:
        return None
    try:
        file, until_s = Path(key).open("rb"), time.monotonic() + timeout_s  # noqa: SIM115 - held until we end
    except OSError as error:
        raise ConfigurationError(f"[broker] ask_key {key}: {error.strerror}") from error
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > until_s:
                raise BrokerError(f"another `uncia-collect ask` has not ended within {timeout_s:g} s") from error
            time.sleep(0.1)
        else:
            return file


def offer_bundle(client: CommandClient, path: Path) -> Reply:
    """Send a bundle to a trap piece by piece; return the last reply, which says whether the trap accepts the bundle.

    After an interruption, a new call sends only the missing pieces.

    Raises:
        BundleError: the file is not a bundle.
        BrokerError: the trap does not answer.
        DataError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a .uncia bundle") from error
    bundle = bundle_from_bytes(content)
    reply = client.request(Command("offer_bundle", offer=bundle_offer(bundle, content)))
    while reply.ok and reply.missing:
        start, end = reply.missing[0].start, min(reply.missing[0].end, reply.missing[0].start + PIECE_BYTES)
        reply = client.request(Command("bundle_piece", piece=BundlePiece(bundle.sha256, start, content[start:end])))
    return reply
