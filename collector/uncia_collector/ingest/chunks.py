"""Keeps chunks in the database until their record or the rest of their frame comes.

Decides how much is kept of each trap, and for how long. Because chunks wait in the database and not in memory, a frame
can be completed after a restart, or by another collector of the group.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, select

from uncia_collector.catalogue.schema import chunks, sequences
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.ingest.wire_messages import ChunkMessage
from uncia_contract.messages.byte_ranges import joined, missing
from uncia_contract.messages.records import ByteRange

Key = tuple[str, str]  # (trap, sequence id)
FrameKey = tuple[str, str, int]

ROW_BYTES = 4096  # a chunk counts as at least this many bytes, else a trap could store millions of rows of one byte
STRAYS_KEPT = timedelta(days=1)  # chunks whose record never came
WAITING_KEPT = timedelta(days=30)  # chunks of frames whose rest never came


@dataclass
class PartialFrame:
    """The chunks of one version (sha256, size) of one frame that have come."""

    sha256: str
    size: int
    stored: dict[int, int] = field(default_factory=dict)  # start: end, of chunks in the database
    new: dict[int, bytes] = field(default_factory=dict)  # start: content, of chunks in this batch

    def missing(self) -> tuple[ByteRange, ...]:
        """The byte ranges that have not come."""
        stored = [ByteRange(start, end) for start, end in self.stored.items()]
        return missing([*stored, *_ranges(self.new)], self.size)

    def add(self, chunk: ChunkMessage) -> bool:
        """Add a chunk; False if it holds no missing byte."""
        if not any(chunk.start < gap.end and gap.start < chunk.end for gap in self.missing()):
            return False
        self.new[chunk.start] = max(self.new.get(chunk.start, b""), chunk.content, key=len)
        return True


Waiting = dict[FrameKey, dict[str, PartialFrame]]  # the inner key is the frame's sha256


def load_waiting(connection: Connection, keys: Iterable[Key]) -> Waiting:
    """The chunks that wait for these sequences: their ranges, without their bytes."""
    waiting: Waiting = defaultdict(dict)
    columns = (chunks.c[name] for name in ("trap", "sequence", "n", "sha256", "size", "start", "end"))
    found = select(*columns).where(of_sequences(chunks.c.trap, chunks.c.sequence, keys))
    for trap, sequence, n, sha256, size, start, end in connection.execute(found):
        partial = waiting[trap, sequence, n].setdefault(sha256, PartialFrame(sha256, size))
        partial.stored[start] = end
    return waiting


def assemble(connection: Connection, key: FrameKey, partial: PartialFrame) -> bytes:
    """The bytes of a frame whose chunks have all come."""
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


def delete_old(connection: Connection, now: datetime) -> int:
    """Delete chunks that have waited too long (`STRAYS_KEPT`, `WAITING_KEPT`); return how many."""
    known = select(sequences.c.id).where(sequences.c.trap == chunks.c.trap, sequences.c.id == chunks.c.sequence)
    stray = (chunks.c.received_at < now - STRAYS_KEPT) & ~known.exists()
    return connection.execute(delete(chunks).where(stray | (chunks.c.received_at < now - WAITING_KEPT))).rowcount


def cost_of(partial: PartialFrame) -> int:
    """How many bytes the new chunks of a frame add to its trap's waiting bytes."""
    return sum(max(ROW_BYTES, len(content)) for content in partial.new.values())


def make_room(connection: Connection, trap: str, cost: int, most: int, kept: set[FrameKey]) -> int | None:
    """Delete a trap's oldest unfinished frames, except `kept`, until `cost` more bytes fit into `most`.

    Returns the number of deleted chunks; None if `cost` does not fit even then.
    """
    length = chunks.c.end - chunks.c.start
    size = func.sum(case((length < ROW_BYTES, ROW_BYTES), else_=length))
    by_frame = (chunks.c.sequence, chunks.c.n)
    query = select(*by_frame, func.count(), size, func.max(chunks.c.received_at)).where(chunks.c.trap == trap)
    waiting = connection.execute(query.group_by(*by_frame)).all()
    too_much = cost + sum(int(row[3]) for row in waiting) - most
    if too_much <= 0:
        return 0
    gone = 0
    for sequence, n, count, freed, _ in sorted(waiting, key=lambda row: row[4]):
        if too_much > 0 and (trap, sequence, n) not in kept:
            delete_frames(connection, [(trap, sequence, n)])
            gone, too_much = gone + count, too_much - int(freed)
    return gone if too_much <= 0 else None


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
