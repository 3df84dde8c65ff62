"""What the PUBLISH of one piece carries: its topic, its bytes from the card, and the properties a collector checks.

Decides what counts as a lost frame: bytes that are gone or no longer have the sha256 that the record promises. A frame
is checked once, when its first chunk is read.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from uncia_contract.errors import StorageError
from uncia_contract.messages.records import FrameEntry, SequenceRecord, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.transfer import Piece
from uncia_edge.outbox.store import Outbox


class FrameLostError(StorageError):
    """A frame whose bytes are gone for good."""


@dataclass(frozen=True)
class PieceMessage:
    """One publish: topic, payload, user properties."""

    topic: str
    payload: bytes
    properties: Mapping[str, str] | None = None


class PieceReader:
    """Reads pieces of the sequences in one outbox."""

    def __init__(self, outbox: Outbox, topics: Topics) -> None:
        self._outbox, self._topics = outbox, topics
        self._checked: tuple[str, int] | None = None

    def read(self, record: SequenceRecord, piece: Piece) -> PieceMessage:
        """The message of one piece.

        Raises:
            FrameLostError: the frame's file is gone or its bytes changed.
            OSError: the card cannot be read now.
        """
        if piece.frame is None:
            return PieceMessage(self._topics.record(record.id), encode(record))
        entry = record.frames[piece.frame]
        topic = self._topics.chunk(record.id, piece.frame, piece.start)
        return PieceMessage(
            topic, self._bytes(record.id, entry, piece), {"sha256": entry.sha256, "size": str(entry.size)}
        )

    def _bytes(self, sequence: str, entry: FrameEntry, piece: Piece) -> bytes:
        path = self._outbox.frame_path(sequence, entry.n)
        try:
            with path.open("rb") as stream:
                if self._checked != (sequence, entry.n):
                    if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
                        raise FrameLostError(f"frame {entry.n} of {sequence}: its bytes changed on the card")
                    self._checked = (sequence, entry.n)
                stream.seek(piece.start)
                return stream.read(piece.end - piece.start)
        except FileNotFoundError as error:
            raise FrameLostError(f"frame {entry.n} of {sequence}: its file is gone") from error
