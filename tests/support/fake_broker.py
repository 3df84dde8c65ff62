"""A small MQTT 5 broker for behaviour that real ones do not have: no PUBACK, any reason code, closed connections.

Knows CONNECT, SUBSCRIBE, PUBLISH at QoS 1, PINGREQ and DISCONNECT, one connection at a time (a second one takes over,
as a second client with the same id would). Behind it sits a `ScriptedCollector`.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from support.fake_link import ScriptedCollector
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics

WITHHOLD, HANG_UP = -1, -2
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass
class Script:
    """How the broker behaves; may be changed while it runs.

    `connack` is CONNACK's reason code, WITHHOLD or HANG_UP, `suback` SUBACK's. `answer` gives for each publish (topic,
    payload) the PUBACK's reason code, WITHHOLD or HANG_UP; a message answered below 0x80 and not 0x10 reaches the
    collector. `receipts` whether the collector's receipts are handed on. `farewell` is the reason code of a DISCONNECT
    that is sent before hanging up.
    """

    connack: int = 0
    suback: int = 1
    receive_maximum: int | None = None
    maximum_packet: int | None = None
    answer: Callable[[str, bytes], int] = lambda _topic, _payload: 0
    receipts: bool = True
    farewell: int | None = None


class FakeBroker:
    """Listens on `port` of loopback until `close`."""

    def __init__(self, topics: Topics, script: Script | None = None) -> None:
        self.script = script or Script()
        self.collector = ScriptedCollector(topics)
        self.connections = 0
        self.published: list[str] = []
        self._topics = topics
        self._current: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close the current connection."""
        self._end(self._current)

    def close(self) -> None:
        """Stop listening and close the connection."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.cut()
            self._current = connection
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error):
            while (packet := _read_packet(connection)) is not None:
                if not self._handle(connection, *packet):
                    break
        self._end(connection)

    def _handle(self, connection: socket.socket, kind: int, body: bytes) -> bool:
        """Whether the connection goes on."""
        match kind:
            case 1:
                return self._connack(connection)
            case 3:
                return self._take(connection, body)
            case 8:
                _write(connection, SUBACK, body[:2] + b"\0" + bytes([self.script.suback] * 2))
            case 12:
                _write(connection, PINGRESP, b"")
            case 14:
                return False
        return True

    def _connack(self, connection: socket.socket) -> bool:
        code = self.script.connack
        if code in (WITHHOLD, HANG_UP):
            return code == WITHHOLD
        properties = b""
        if self.script.receive_maximum is not None:
            properties += b"\x21" + struct.pack(">H", self.script.receive_maximum)
        if self.script.maximum_packet is not None:
            properties += b"\x27" + struct.pack(">I", self.script.maximum_packet)
        _write(connection, CONNACK, bytes([0, code, len(properties)]) + properties)
        return code < 0x80

    def _take(self, connection: socket.socket, body: bytes) -> bool:
        (length,) = struct.unpack_from(">H", body)
        topic = body[2 : 2 + length].decode()
        mid = body[2 + length : 4 + length]
        extra, at = _variable(body, 4 + length)
        payload = body[at + extra :]
        self.published.append(topic)
        code = self.script.answer(topic, payload)
        if code == HANG_UP:
            if self.script.farewell is not None:
                _write(connection, DISCONNECT, bytes([self.script.farewell, 0]))
            return False
        if code == WITHHOLD:
            return True
        _write(connection, PUBACK, mid + bytes([code, 0]))
        if code < 0x80 and code != 0x10 and "/sequence/" in topic:
            self._receipt(connection, topic, payload)
        return True

    def _receipt(self, connection: socket.socket, topic: str, payload: bytes) -> None:
        receipt = self.collector.take(topic, payload)
        if receipt is not None and self.script.receipts:
            name = self._topics.receipt.encode()
            _write(connection, PUBLISH, struct.pack(">H", len(name)) + name + b"\0" + encode(receipt))

    def _end(self, connection: socket.socket | None) -> None:
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def _read_packet(connection: socket.socket) -> tuple[int, bytes] | None:
    first = connection.recv(1)
    if not first:
        return None
    length, shift = 0, 0
    while True:
        byte = connection.recv(1)
        if not byte:
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
    body = b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            return None
        body += part
    return first[0] >> 4, body


def _variable(body: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer, and the offset after it."""
    value, shift = 0, 0
    while True:
        value |= (body[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not body[at - 1] & 0x80:
            return value, at


def _write(connection: socket.socket, kind: int, body: bytes) -> None:
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            break
    connection.sendall(bytes([kind << 4]) + length + body)
