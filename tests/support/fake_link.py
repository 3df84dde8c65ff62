"""A link without a network and a collector without a disk, for tests of delivery.

`ScriptedPipe` holds what was published until the test lets it through; `ScriptedCollector` answers as the real one
does: a receipt after each record and after each completed frame, naming what is missing.
"""

import hashlib
import queue
from collections.abc import Mapping
from dataclasses import dataclass

from uncia_contract.errors import BrokerError
from uncia_contract.messages.byte_ranges import joined, missing
from uncia_contract.messages.records import ByteRange, MissingFrame, Receipt, SequenceRecord, decode, encode
from uncia_contract.messages.topics import ChunkAddress, RecordAddress, Topics, parse
from uncia_edge.delivery.link import Acknowledged, Connected, Disconnected, Event, MqttMessage, Received


@dataclass(frozen=True)
class Published:
    """One message that delivery published."""

    mid: int
    topic: str
    payload: bytes
    properties: Mapping[str, str]
    retain: bool


class ScriptedPipe:
    """A `Pipe` with events from the test. `published` has all messages; `under_way` those without a PUBACK."""

    def __init__(self, topics: Topics) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.topics = topics
        self.published: list[Published] = []
        self.under_way: dict[int, Published] = {}
        self.opened, self.up = 0, False
        self.farewell: str | None = None

    def open(self) -> None:
        """Count the attempt; the test makes the answer."""
        self.opened += 1

    def close(self, farewell: str | None = None) -> None:
        """Store the farewell."""
        self.up, self.farewell = False, farewell

    def publish(self, message: MqttMessage) -> int:
        """Store a published message.

        Raises:
            BrokerError: the test has cut the link.
        """
        if not self.up:
            raise BrokerError("not connected")
        mid = len(self.published) + 1
        published = Published(mid, message.topic, message.payload, message.properties or {}, message.retain)
        self.published.append(published)
        self.under_way[mid] = published
        return mid

    def connect(self, event: Connected | None = None) -> None:
        """Make a `Connected` event."""
        self.up = True
        self.events.put(event or Connected())

    def cut(self, code: int | None = None) -> None:
        """Break the connection; no message in flight is acknowledged."""
        self.up = False
        self.under_way.clear()
        self.events.put(Disconnected("cut by the test", code))

    def acknowledge(self, message: Published, code: int = 0) -> None:
        """Make the PUBACK of one message."""
        if self.under_way.pop(message.mid, None) is not None:
            self.events.put(Acknowledged(message.mid, code))

    def receive(self, receipt: Receipt) -> None:
        """Deliver a receipt."""
        self.events.put(Received(self.topics.receipt, encode(receipt)))


class ScriptedCollector:
    """Keeps records and frames in memory, each once, and makes the receipts."""

    def __init__(self, topics: Topics) -> None:
        self._root = topics.root
        self.records: dict[str, SequenceRecord] = {}
        self.frames: dict[tuple[str, int], bytes] = {}
        self._parts: dict[tuple[str, int], dict[int, bytes]] = {}

    def take(self, topic: str, payload: bytes) -> Receipt | None:
        """Store one message; return its receipt, if there is one."""
        match parse(topic, self._root):
            case RecordAddress(sequence=sequence):
                self.records.setdefault(sequence, decode(payload, SequenceRecord))
                return self.receipt(sequence)
            case ChunkAddress(sequence=sequence, frame=frame, offset=offset):
                return self._take_chunk(sequence, frame, offset, payload)
        return None

    def receipt(self, sequence: str) -> Receipt:
        """The receipt of a sequence: what is stored of it and what is missing."""
        entries = self.records[sequence].frames
        stored = tuple(entry.n for entry in entries if (sequence, entry.n) in self.frames)
        unstored = tuple(
            MissingFrame(entry.n, self._gaps(sequence, entry.n, entry.size))
            for entry in entries
            if entry.n not in stored
        )
        return Receipt(sequence, True, stored, unstored)

    def complete(self, sequence: str) -> bool:
        """Whether the record and all frames are stored."""
        return sequence in self.records and self.receipt(sequence).complete

    def _take_chunk(self, sequence: str, frame: int, offset: int, payload: bytes) -> Receipt | None:
        if sequence not in self.records or (sequence, frame) in self.frames:
            return None
        parts = self._parts.setdefault((sequence, frame), {})
        parts[offset] = payload
        entry = self.records[sequence].frames[frame]
        if self._gaps(sequence, frame, entry.size):
            return None
        whole = joined(parts, entry.size)
        del self._parts[sequence, frame]
        if hashlib.sha256(whole).hexdigest() == entry.sha256:
            self.frames[sequence, frame] = whole
        return self.receipt(sequence)

    def _gaps(self, sequence: str, frame: int, size: int) -> tuple[ByteRange, ...]:
        parts = self._parts.get((sequence, frame), {})
        return missing((ByteRange(start, start + len(part)) for start, part in parts.items()), size)
