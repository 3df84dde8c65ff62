"""Makes the MQTT message of one piece: its topic, its bytes from the card, and the properties a collector checks.

Decides what counts as a lost frame: its file is gone, or its bytes no longer have the sha256 in the record. A frame is
checked once, when its first chunk is read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from uncia_contract.errors import StorageError
from uncia_contract.messages.records import FrameEntry, SequenceRecord, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.link import MqttMessage
from uncia_edge.delivery.link_state import Piece, Room
from uncia_edge.outbox.store import Outbox


class FrameLostError(StorageError):
    """The bytes of a frame are lost for good."""


class TooLargeError(OSError):
    """A message is larger than the broker's largest packet."""


@dataclass(frozen=True)
class _CheckedFrame:
    sequence: str
    n: int
    path: Path
    topic: str  # of its chunks, without their offset


class ChunkReader:
    """Reads pieces of the sequences in one outbox."""

    def __init__(self, outbox: Outbox, topics: Topics) -> None:
        self._outbox, self._topics = outbox, topics
        self._checked: _CheckedFrame | None = None

    def read(self, piece: Piece, room: Room) -> MqttMessage:
        """The message of one piece.

        A record is sent without its thumbnail if it would be larger than a chunk with it: the link is too slow.

        Raises:
            FrameLostError: the frame's file is gone or its bytes changed.
            TooLargeError: the broker accepts no message of this size.
            OSError: the card cannot be read now.
        """
        message = (
            self._record(piece.record, room.chunk_bytes) if piece.frame is None else self._chunk(piece, piece.frame)
        )
        if len(message.payload) > room.payload_bytes:
            raise TooLargeError(f"{len(message.payload)} bytes are more than the broker's largest packet")
        return message

    def _record(self, record: SequenceRecord, chunk_bytes: int) -> MqttMessage:
        content = encode(record)
        if record.preview is not None and len(content) > chunk_bytes:
            content = encode(msgspec.structs.replace(record, preview=None))
        return MqttMessage(self._topics.record(record.id), content)

    def _chunk(self, piece: Piece, n: int) -> MqttMessage:
        sequence, entry = piece.record.id, piece.record.frames[n]
        try:
            if self._checked is None or (self._checked.sequence, self._checked.n) != (sequence, n):
                self._checked = self._check(sequence, entry)
            with self._checked.path.open("rb") as stream:
                stream.seek(piece.start)
                content = stream.read(piece.end - piece.start)
        except FileNotFoundError as error:
            raise FrameLostError(f"frame {n} of {sequence}: its file is gone") from error
        about = {"sha256": entry.sha256, "size": str(entry.size)}
        return MqttMessage(f"{self._checked.topic}/{piece.start}", content, properties=about)

    def _check(self, sequence: str, entry: FrameEntry) -> _CheckedFrame:
        path = self._outbox.frame_path(sequence, entry.n)
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
                raise FrameLostError(f"frame {entry.n} of {sequence}: its bytes changed on the card")
        return _CheckedFrame(sequence, entry.n, path, self._topics.frame(sequence, entry.n))
