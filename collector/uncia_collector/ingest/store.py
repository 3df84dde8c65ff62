"""Stores batches of messages in the catalogue and returns the receipts to send.

Decides what counts as stored, what conflicts, and the content of each receipt:
#1  A sequence is identified by (trap, id). The same record again changes nothing and gets a full receipt.
#2  A record whose frames differ from the stored record's is refused and quarantined; the stored one stays.
#3  A frame is stored when all its bytes have come, have the record's sha256 and are synced to the folder.
#3a Bytes with another sha256 are dropped; the receipt names the frame as missing.
#3b Bytes with the right sha256 that are not a JPEG are kept in `quarantine/`: nothing is lost, and no page shows them.
#4  A chunk that comes before its record waits. A chunk of a stored frame is ignored and gets a receipt.
#5  The bytes of each trap's unfinished frames are limited; the oldest are deleted, and the receipt names them as
    missing.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from uncia_collector.catalogue.clocks.correction import correct_new
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import frames, sequences, tallies
from uncia_collector.catalogue.sql import of_sequences, upsert
from uncia_collector.effort.hours import note_worked
from uncia_collector.ingest import chunks, quarantine, trap_status
from uncia_collector.ingest.chunks import FrameKey, Key, PartialFrame
from uncia_collector.ingest.frame_folder import FrameFolder, frame_path
from uncia_collector.ingest.record_rows import fingerprint, frame_rows, picture_size, sequence_row
from uncia_collector.ingest.trap_status import TrapUpdate
from uncia_collector.ingest.wire_messages import (
    AvailabilityMessage,
    ChunkMessage,
    DoctorMessage,
    Message,
    OverBudgetMessage,
    RecordMessage,
    RefusedMessage,
    RetainedMessage,
    StateMessage,
)
from uncia_contract.messages.records import ByteRange, MissingFrame, Receipt


@dataclass(frozen=True)
class AddressedReceipt:
    """A receipt and the trap that waits for it."""

    trap: str
    receipt: Receipt


class Store:
    """Commits batches. Use it from one thread at a time; other collectors may use the same database and folder."""

    def __init__(self, database: Database, folder: FrameFolder, waiting_mb: float = 128) -> None:
        self.database, self.folder = database, folder
        self.waiting_bytes = int(waiting_mb * 1e6) or sys.maxsize

    def commit(self, messages: Sequence[Message], now: datetime) -> list[AddressedReceipt]:
        """Commit a batch and return the receipts to send.

        Raises:
            StorageError: the folder cannot be written (full, read-only); nothing of the batch is committed.
            sqlalchemy.exc.DBAPIError: the database cannot be written; nothing of the batch is committed.
        """
        keys = _keys(messages)
        with self.database.writing() as connection:
            batch = _Batch(connection, self.folder, now, self.waiting_bytes)
            self.database.lock_sequences(connection, keys)
            batch.load(keys)
            for message in messages:
                batch.add(message)
            return batch.write()


def _keys(messages: Sequence[Message]) -> list[Key]:
    keys: set[Key] = set()
    for message in messages:
        if isinstance(message, RecordMessage):
            keys.add((message.record.trap, message.record.id))
        elif isinstance(message, ChunkMessage | RefusedMessage) and message.sequence:
            keys.add((message.trap, message.sequence))
    return sorted(keys)


@dataclass
class _Frame:
    sha256: str
    size: int
    status: str


@dataclass
class _Sequence:
    fingerprint: str
    started_at: datetime
    frames_stored: int
    frames: dict[int, _Frame] = field(default_factory=dict)


class _Batch:
    """The work of one transaction: `load` the known sequences, `add` each message, `write` all."""

    def __init__(self, connection: Connection, folder: FrameFolder, now: datetime, waiting_bytes: int) -> None:
        self.connection, self.folder, self.now, self.waiting_bytes = connection, folder, now, waiting_bytes
        self.known: dict[Key, _Sequence] = {}
        self.waiting: chunks.Waiting = {}
        self.new_records: list[RecordMessage] = []
        self.trap_updates: dict[str, TrapUpdate] = {}
        self.quarantined: list[RefusedMessage] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.due_receipts: set[Key] = set()
        self.refusals: dict[Key, str] = {}
        self.files: dict[str, bytes] = {}
        self.frame_changes: list[dict[str, Any]] = []
        self.finished: set[FrameKey] = set()
        self.unfinished: list[tuple[FrameKey, PartialFrame]] = []

    def load(self, keys: list[Key]) -> None:
        """Read these sequences, their frames and their waiting chunks from the catalogue."""
        if not keys:
            return
        found = select(sequences.c.trap, sequences.c.id, *(sequences.c[name] for name in _SEQUENCE_COLUMNS)).where(
            of_sequences(sequences.c.trap, sequences.c.id, keys)
        )
        for trap, sequence, *rest in self.connection.execute(found):
            self.known[trap, sequence] = _Sequence(*rest)
        for row in self.connection.execute(_frames_of(keys)):
            self.known[row.trap, row.sequence].frames[row.n] = _Frame(row.sha256, row.size, row.status)
        self.waiting = chunks.load_waiting(self.connection, keys)

    def add(self, message: Message) -> None:
        """Add one message; nothing is written yet."""
        match message:
            case RecordMessage():
                self._mark_alive(message.record.trap)
                self._add_record(message)
            case ChunkMessage():
                self._mark_alive(message.trap)
                self._add_chunk(message)
            case StateMessage():
                self._update_of(message.state.trap).add(message)
                self.counts["states", message.state.trap] += 1
            case AvailabilityMessage():
                self._update_of(message.trap).add(message)
            case RetainedMessage():
                self.counts["retained", message.trap] += message.kept
            case OverBudgetMessage():
                self.counts["over_budget", message.trap] += message.count
            case DoctorMessage():
                self.due_receipts.add((message.trap, message.id))
            case RefusedMessage():
                self._refuse(message, "garbage")

    def write(self) -> list[AddressedReceipt]:
        """Write everything that was added; return the receipts to send after the commit."""
        self._write_records()
        self._finish_frames()
        self._write_frames()
        self._save_waiting()
        if self.quarantined:
            quarantine.add(self.connection, self.quarantined, self.now)
        trap_status.write(self.connection, self.trap_updates.values(), self.now)
        for (name, trap), count in sorted((+self.counts).items()):
            row = {"name": name, "trap": trap, "count": count}
            self.connection.execute(upsert(self.connection, tallies, row, ["name", "trap"], added=["count"]))
        return [self._receipt(key) for key in sorted(self.due_receipts | self.refusals.keys())]

    # -- adding ----------------------------------------------------------------------------------------------------

    def _update_of(self, trap: str) -> TrapUpdate:
        return self.trap_updates.setdefault(trap, TrapUpdate(trap))

    def _mark_alive(self, trap: str) -> None:
        self._update_of(trap).alive = True

    def _refuse(self, message: RefusedMessage, name: str) -> None:
        self.quarantined.append(message)
        self.counts[name, message.trap] += 1
        if message.sequence and "/frame/" not in message.topic:
            self.refusals[message.trap, message.sequence] = message.reason[:300]

    def _add_record(self, message: RecordMessage) -> None:
        record = message.record
        key = (record.trap, record.id)
        known = self.known.get(key)
        if known is None:
            entries = {frame.n: _Frame(frame.sha256, frame.size, "missing") for frame in record.frames}
            self.known[key] = _Sequence(fingerprint(record), record.started_at, 0, entries)
            self.new_records.append(message)
            self.counts["sequences", record.trap] += 1
        elif known.fingerprint != fingerprint(record):  # #2
            reason = f"sequence {record.id} of {record.trap} is stored with other frames: a conflicting hash for one id"
            self._refuse(
                RefusedMessage(f"{record.trap}/sequence/{record.id}", message.payload, reason, *key), "conflicts"
            )
            return
        else:
            self.counts["records_again", record.trap] += 1
        self.due_receipts.add(key)

    def _add_chunk(self, chunk: ChunkMessage) -> None:
        known = self.known.get((chunk.trap, chunk.sequence))
        frame = known.frames.get(chunk.n) if known else None
        if known is not None and (frame is None or (frame.sha256, frame.size) != (chunk.sha256, chunk.size)):
            reason = f"chunk of frame {chunk.n}: its sha256 and size are not those of the record"
            topic = f"{chunk.trap}/sequence/{chunk.sequence}/frame/{chunk.n}/{chunk.start}"
            self._refuse(RefusedMessage(topic, chunk.content, reason, chunk.trap, chunk.sequence), "conflicts")
            return
        if frame is not None and frame.status != "missing":  # #4
            self.counts["chunks_again", chunk.trap] += 1
            self.due_receipts.add((chunk.trap, chunk.sequence))
            return
        versions = self.waiting.setdefault((chunk.trap, chunk.sequence, chunk.n), {})
        partial = versions.setdefault(chunk.sha256, PartialFrame(chunk.sha256, chunk.size))
        self.counts["chunks" if partial.add(chunk) else "chunks_again", chunk.trap] += 1

    # -- writing ---------------------------------------------------------------------------------------------------

    def _write_records(self) -> None:
        if self.new_records:
            rows = [sequence_row(message, self.now) for message in self.new_records]
            self.connection.execute(insert(sequences), rows)
            entries = [row for message in self.new_records for row in frame_rows(message.record)]
            self.connection.execute(insert(frames), entries)
            records = [message.record for message in self.new_records]
            correct_new(self.connection, [(record.trap, record.id) for record in records])
            right = [(record.trap, record.started_at) for record in records if record.clock.synchronised]
            note_worked(self.connection, right, self.now)

    def _finish_frames(self) -> None:
        """Store each frame that is complete now; collect the others in `unfinished`."""
        for key, versions in self.waiting.items():
            known = self.known.get(key[:2])
            for partial in versions.values():
                if known is None:
                    self.unfinished.append((key, partial))
                elif (frame := known.frames.get(key[2])) is not None and frame.sha256 == partial.sha256:
                    self._finish_frame(key, partial, known)
                else:
                    self.finished.add(key)  # the record names other bytes (sha256)

    def _finish_frame(self, key: FrameKey, partial: PartialFrame, known: _Sequence) -> None:
        if partial.missing():
            self.unfinished.append((key, partial))
            return
        self.finished.add(key)
        self.due_receipts.add(key[:2])
        content = chunks.assemble(self.connection, key, partial)
        if hashlib.sha256(content).hexdigest() != partial.sha256:  # #3a
            self.counts["mismatches", key[0]] += 1
            return
        self._store(key, content, known)

    def _store(self, key: FrameKey, content: bytes, known: _Sequence) -> None:
        trap, sequence, n = key
        path, status, size = frame_path(trap, sequence, known.started_at, n), "stored", picture_size(content)
        if size is None:  # #3b
            path, status = f"quarantine/{path}", "quarantined"
            reason = f"frame {n} of {sequence}: not a JPEG, kept as {path}"
            self._refuse(
                RefusedMessage(f"{trap}/sequence/{sequence}/frame/{n}", content[:64], reason, trap), "not_jpeg"
            )
        self.files[path] = content
        known.frames[n].status = status
        known.frames_stored += 1
        self.counts["frames", trap] += 1
        width, height = size or (None, None)
        self.frame_changes.append(
            {"k_trap": trap, "k_sequence": sequence, "k_n": n}
            | {"status": status, "path": path, "width": width, "height": height}
        )

    def _save_waiting(self) -> None:
        """Save the new chunks of unfinished frames; delete the oldest of a trap that is over its limit (#5)."""
        by_trap: dict[str, list[tuple[FrameKey, PartialFrame]]] = {}
        for key, partial in self.unfinished:
            if partial.new:
                by_trap.setdefault(key[0], []).append((key, partial))
        for trap, waiting in sorted(by_trap.items()):
            new = sum(map(chunks.cost_of, (partial for _, partial in waiting)))
            dropped = chunks.make_room(self.connection, trap, new, self.waiting_bytes, {key for key, _ in waiting})
            if dropped is None:
                dropped = sum(len(partial.new) for _, partial in waiting)
            else:
                for key, partial in waiting:
                    chunks.save(self.connection, key, partial, self.now)
            self.counts["waiting_dropped", trap] += dropped

    def _write_frames(self) -> None:
        stored = [key for key in self.finished if any(partial.stored for partial in self.waiting[key].values())]
        chunks.delete_frames(self.connection, sorted(stored))
        if not self.frame_changes:
            return
        self.folder.put(self.files.items())
        self.connection.execute(_UPDATE_FRAME, self.frame_changes)
        touched = sorted({(change["k_trap"], change["k_sequence"]) for change in self.frame_changes})
        self.connection.execute(_UPDATE_SEQUENCE, [self._progress(key) for key in touched])

    def _progress(self, key: Key) -> dict[str, Any]:
        known = self.known[key]
        completed_at = self.now if known.frames_stored == len(known.frames) else None
        return {
            "k_trap": key[0], "k_id": key[1], "frames_stored": known.frames_stored, "completed_at": completed_at,
        }  # fmt: skip

    def _receipt(self, key: Key) -> AddressedReceipt:
        trap, sequence = key
        known = self.known.get(key)
        refused = self.refusals.get(key)
        if known is None:
            return AddressedReceipt(trap, Receipt(sequence, record_stored=False, refused=refused))
        ordered = sorted(known.frames.items())
        stored = tuple(n for n, frame in ordered if frame.status != "missing")
        missing = tuple(self._missing((*key, n), frame) for n, frame in ordered if frame.status == "missing")
        return AddressedReceipt(trap, Receipt(sequence, True, stored, missing, refused))

    def _missing(self, key: FrameKey, frame: _Frame) -> MissingFrame:
        partial = self.waiting.get(key, {}).get(frame.sha256)
        if partial is None or key in self.finished:
            return MissingFrame(key[2])
        gaps = partial.missing()
        return MissingFrame(key[2], () if gaps == (ByteRange(0, frame.size),) else gaps)


_SEQUENCE_COLUMNS = ("fingerprint", "started_at", "frames_stored")
_UPDATE_FRAME = (
    update(frames)
    .where(
        frames.c.trap == bindparam("k_trap"),
        frames.c.sequence == bindparam("k_sequence"),
        frames.c.n == bindparam("k_n"),
    )
    .values({name: bindparam(name) for name in ("status", "path", "width", "height")})
)
_UPDATE_SEQUENCE = (
    update(sequences)
    .where(sequences.c.trap == bindparam("k_trap"), sequences.c.id == bindparam("k_id"))
    .values(frames_stored=bindparam("frames_stored"), completed_at=bindparam("completed_at"))
)


def _frames_of(keys: list[Key]) -> Any:
    columns = (frames.c[name] for name in ("trap", "sequence", "n", "sha256", "size", "status"))
    return select(*columns).where(of_sequences(frames.c.trap, frames.c.sequence, keys))
