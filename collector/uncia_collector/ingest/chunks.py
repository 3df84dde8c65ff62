"""Chunks that wait in the database: for their record, or for the rest of their frame.

Decides what is kept and for how long. Because they wait in the database, not in
memory, a restart or another collector of the group can finish a frame.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from uncia_collector.catalogue.schema import chunks
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.ingest.wire_messages import ChunkMessage
from uncia_contract.messages.byte_ranges import joined, missing
from uncia_contract.messages.records import ByteRange

Key = tuple[str, str]  # (trap, sequence id)
FrameKey = tuple[str, str, int]

# A trap may have this much waiting for records that never came; beyond it, its strays are not kept.
MAX_STRAY_BYTES = 64 * 1024 * 1024


@dataclass
class PartialFrame:
    """What is there of one version (sha256, size) of one frame."""

    sha256: str
    size: int
    stored: dict[int, int] = field(default_factory=dict)  # start: end, in the database
    new: dict[int, bytes] = field(default_factory=dict)  # start: content, from this batch

    def missing(self) -> tuple[ByteRange, ...]:
        """The byte ranges that are not there."""
        stored = [ByteRange(start, end) for start, end in self.stored.items()]
        return missing([*stored, *_ranges(self.new)], self.size)

    def add(self, chunk: ChunkMessage) -> bool:
        """Take a chunk in; False when it brings nothing new."""
        if not any(chunk.start < gap.end and gap.start < chunk.end for gap in self.missing()):
            return False
        self.new[chunk.start] = max(self.new.get(chunk.start, b""), chunk.content, key=len)
        return True


Waiting = dict[FrameKey, dict[str, PartialFrame]]  # by the frame's sha256


def load_waiting(connection: Connection, keys: Iterable[Key]) -> Waiting:
    """What waits for these sequences, without its bytes."""
    waiting: Waiting = defaultdict(dict)
    columns = (chunks.c[name] for name in ("trap", "sequence", "n", "sha256", "size", "start", "end"))
    found = select(*columns).where(of_sequences(chunks.c.trap, chunks.c.sequence, keys))
    for trap, sequence, n, sha256, size, start, end in connection.execute(found):
        partial = waiting[trap, sequence, n].setdefault(sha256, PartialFrame(sha256, size))
        partial.stored[start] = end
    return waiting


def assemble(connection: Connection, key: FrameKey, partial: PartialFrame) -> bytes:
    """The frame's bytes, all of whose ranges are there."""
    content = dict(partial.new)
    if missing(_ranges(content), partial.size):
        saved = select(chunks.c.start, chunks.c.content).where(_of(key), chunks.c.sha256 == partial.sha256)
        for start, part in connection.execute(saved):
            content[start] = max(content.get(start, b""), part, key=len)
    return joined(content, partial.size)


def save(connection: Connection, key: FrameKey, partial: PartialFrame, now: datetime) -> None:
    """Save this batch's chunks of a frame until the rest comes."""
    replaced = [start for start in partial.new if start in partial.stored]
    if replaced:
        connection.execute(
            delete(chunks).where(_of(key), chunks.c.sha256 == partial.sha256, chunks.c.start.in_(replaced))
        )
    connection.execute(insert(chunks), [_row(key, partial, start, now) for start in partial.new])


def delete_frames(connection: Connection, keys: Iterable[FrameKey]) -> None:
    """Delete all chunks of these frames."""
    for key in keys:
        connection.execute(delete(chunks).where(_of(key)))


def delete_older(connection: Connection, before: datetime) -> int:
    """Delete chunks that came before a time and still wait; how many they were."""
    return connection.execute(delete(chunks).where(chunks.c.received_at < before)).rowcount


def waiting_bytes(connection: Connection, trap: str) -> int:
    """How many bytes of a trap wait."""
    total = select(func.coalesce(func.sum(chunks.c.end - chunks.c.start), 0)).where(chunks.c.trap == trap)
    return int(connection.execute(total).scalar_one())


def _ranges(chunks_by_start: dict[int, bytes]) -> list[ByteRange]:
    return [ByteRange(start, start + len(content)) for start, content in chunks_by_start.items()]


def _row(key: FrameKey, partial: PartialFrame, start: int, now: datetime) -> dict[str, Any]:
    content = partial.new[start]
    trap, sequence, n = key
    return {
        "trap": trap, "sequence": sequence, "n": n, "start": start, "end": start + len(content),
        "sha256": partial.sha256, "size": partial.size, "received_at": now, "content": content,
    }  # fmt: skip


def _of(key: FrameKey) -> Any:
    trap, sequence, n = key
    return (chunks.c.trap == trap) & (chunks.c.sequence == sequence) & (chunks.c.n == n)
