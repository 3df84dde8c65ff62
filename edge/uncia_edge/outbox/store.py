"""The outbox: sequences that wait for the collector's receipt, in one SQLite table and their files.

Decides the states of a sequence (drawn in docs/delivery.md): `add` commits record and frames before it returns; only a
receipt removes them; a sequence that cannot be sent is parked and kept. `sequence_table` holds the queries, `delivery`
decides how and when things are sent, `retention` what is deleted from a full card.

    waiting --receipt: all stored--> delivered        waiting --refused, poison--> parked --release--> waiting
    held (a deferred audit) --the day is over, or asked for--> waiting                    any --card full--> dropped
"""

# ruff: noqa: S608 -- statements are put together from this module's own constants; values are always bound
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

from uncia_contract.errors import MessageError, StorageError
from uncia_contract.files import make_folder
from uncia_contract.messages.records import Counters, Receipt, SequenceRecord, best_frame, encode
from uncia_contract.messages.topics import check_trap_id
from uncia_edge.outbox.database import Database, bump
from uncia_edge.outbox.frame_files import FrameFiles
from uncia_edge.outbox.sequence_table import (
    BEST_FRAME,
    HERE,
    OTHER_FRAMES,
    RECORD,
    Depth,
    OutboxQueries,
    Waiting,
    insert,
)
from uncia_edge.outbox.source_files import Sign

_log = logging.getLogger(__name__)

REFUSED = "refused by the collector"
# The state of a sequence after a receipt: `kept` still waits, `gone` is unknown or was dropped.
Applied = Literal["delivered", "kept", "parked", "gone"]
REMEMBERED = 20_000  # how many of the newest delivered sequences are remembered as delivered


class Outbox:
    """Durable store of the sequences that the collector does not have yet. Safe to use from several threads.

    Args:
        folder: holds the database and the frames; created if absent.
        synchronous: SQLite's setting; only the test that proves FULL necessary uses another one.

    Raises:
        StorageError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, synchronous: str = "FULL") -> None:
        self.folder = folder
        try:
            make_folder(folder)
            self._files = FrameFiles(folder / "frames")
        except OSError as error:
            raise StorageError(f"outbox {folder}: {error}") from error
        self._database = Database(folder / "outbox.db", synchronous)
        self._lock = self._database.lock
        self.queries = OutboxQueries(self._database)
        self.set_aside = self._database.set_aside
        if self.set_aside is not None:
            _log.error("outbox database was damaged; set aside as %s", self.set_aside.name)
        self._recover()
        self._depth = self.queries.depth()
        self._remembered = self._all_remembered()
        self.on_add: Callable[[], None] | None = None  # called after each commit of a new sequence

    # -- identity and totals

    @property
    def damaged(self) -> bool:
        """Whether a statement found the table damaged; the next opening rebuilds it."""
        return self._database.damaged

    @property
    def installation(self) -> str:
        """Eight random hexadecimal digits from when the database was created; they keep ids unique over reinstalls."""
        return str(self._database.all("SELECT installation FROM identity")[0][0])

    def next_sequence_id(self, trap: str) -> str:
        """A new sequence id, `<trap>-<installation>-<n>`. It counts up, uses no clock, and is stored at once."""
        check_trap_id(trap)
        with self._database.transaction() as connection:
            n = bump(connection, "sequence_ids", 1)
        return f"{trap}-{self.installation}-{n:06d}"

    def count(self, **totals: int) -> None:
        """Add to the totals of `Counters`. Written with the next commit: a power cut may lose the last few counts.

        Raises:
            ValueError: `Counters` has no total of that name.
        """
        for name, amount in totals.items():
            if name not in Counters.__struct_fields__:
                raise ValueError(f"total {name!r}: expected one of {', '.join(Counters.__struct_fields__)}")
            self._database.count(name, amount)

    def counters(self) -> Counters:
        """Totals since installation."""
        totals = self._database.totals()
        return Counters(**{name: totals.get(name, 0) for name in Counters.__struct_fields__})

    def remembered(self, name: str) -> int:
        """A number stored by `remember`; 0 if there is none."""
        return self._remembered.get(name, 0)

    def remember(self, **numbers: int) -> None:
        """Store numbers that outlive a restart. They are written with the next commit."""
        for name, value in numbers.items():
            self._remembered[name] = value
            self._database.note(f"noted_{name}", value)

    def depth(self) -> Depth:
        """How much waits; kept up to date in memory."""
        return self._depth

    # -- the life of a sequence

    def next(
        self, limit: int = 1, exclude: Collection[str] = (), stages: tuple[int, int] = (RECORD, OTHER_FRAMES)
    ) -> list[Waiting]:
        """The sequences to send next: records before best frames before other frames, then by priority and age.

        Args:
            limit: at most so many.
            exclude: ids to leave out.
            stages: the first and the last stage asked for.
        """
        chosen = self.queries.next_ids(limit, exclude, stages)
        return [item for sequence in chosen if (item := self.get(sequence)) is not None]

    def get(self, sequence: str) -> Waiting | None:
        """A sequence that is still in the outbox, in any state; None if it is delivered, dropped or unknown.

        If its record in the table cannot be read, None is returned, and the record is restored from its file or the
        sequence is parked.
        """
        try:
            return self.queries.read(sequence)
        except MessageError as error:
            with self._lock:
                self._read_anew(sequence, error)
            return None

    def frame_path(self, sequence: str, n: int) -> Path:
        """The path of a frame's file."""
        return self._files.frame(sequence, n)

    def add(
        self,
        record: SequenceRecord,
        files: Sequence[Path],
        priority: int = 0,
        owned: bool = False,
        deferred: bool = False,
        signs: Sequence[Sign] = (),
    ) -> None:
        """Store a sequence durably: when this returns, record and frames survive a power cut.

        Adding an id again does nothing. The files are copied or linked, never moved or changed.

        Args:
            record: the sequence; its frames' sizes are checked against the files.
            files: the originals, in the order of `record.frames`.
            priority: 0 goes before 1 within a stage.
            owned: the files belong to the trap and are not written to again, so they can be linked.
            deferred: not sent before `release_deferred` (an audit).
            signs: the files' signs when they were read, in their order; an unchanged file is not read again.

        Raises:
            StorageError: a file does not match its frame, or the card is full or failing; nothing is kept.
        """
        with self._lock:
            if self._database.all("SELECT 1 FROM sequence WHERE id=?", record.id):
                return
            try:
                self._files.put(record, files, owned, signs)
                with self._database.transaction() as connection:
                    size = insert(connection, record, priority, state="held" if deferred else "waiting")
            except OSError as error:  # also a StorageError
                self._discard(record)
                raise StorageError(f"sequence {record.id} cannot be stored: {error}") from error
            self._shift(sequences=1, size=size)
        if self.on_add is not None:
            self.on_add()

    def apply(self, receipt: Receipt) -> Applied:
        """Apply a receipt: note stored frames, remove a sequence that is wholly stored, park a refused one."""
        with self._lock:
            item = self.get(receipt.sequence)
            if item is None:
                return "delivered" if self.queries.is_delivered(receipt.sequence) else "gone"
            if receipt.refused is not None:
                self.park(receipt.sequence, f"{REFUSED}: {receipt.refused}")
                return "parked"
            if not receipt.record_stored:
                return "kept"
            frames = {entry.n for entry in item.record.frames}
            missing = {frame.n for frame in receipt.missing}
            stored = ((item.stored | set(receipt.frames_stored)) & frames) - missing
            if frames - item.dropped <= stored:
                self._deliver(item.record, stored)
                return "delivered"
            self._note_progress(item, stored)
            return "kept"

    def park(self, sequence: str, reason: str) -> None:
        """Stop sending a sequence, so that it does not block others; it stays on disk until it is released."""
        with self._lock:
            rule = "id=? AND state IN ('waiting', 'held')"
            if self._database.change(f"UPDATE sequence SET state='parked', reason=? WHERE {rule}", reason, sequence):
                self.count(parked=1)
                self._shift(parked=1)
                _log.warning("sequence %s parked: %s", sequence, reason)

    def release(self) -> int:
        """Try the parked sequences again, except those that the collector refused; return how many."""
        with self._lock:
            rule = f"state='parked' AND reason NOT LIKE '{REFUSED}%'"
            released = self._database.change(f"UPDATE sequence SET state='waiting', strikes=0 WHERE {rule}")
            self._shift(parked=-released)
            return released

    def release_deferred(self) -> int:
        """Let the deferred sequences be sent; return how many."""
        return self._database.change("UPDATE sequence SET state='waiting' WHERE state='held'")

    def forget_deferred(self, sequence: str) -> None:
        """Remove a deferred sequence that is not to be sent after all."""
        with self._lock:
            item = self.get(sequence)
            rows = self._database.all("SELECT bytes FROM sequence WHERE id=? AND state='held'", sequence)
            if item is None or not rows:
                return
            self._database.change("DELETE FROM sequence WHERE id=?", sequence)
            self._shift(sequences=-1, size=-rows[0][0])
            self._discard(item.record)

    def ask_for(self, sequence: str) -> bool:
        """Send a sequence before all others, regardless of the budget; return whether it is still in the outbox."""
        statement = f"UPDATE sequence SET priority=-1, state='waiting' WHERE id=? AND {HERE}"
        with self._lock:
            parked = sequence in self.queries.parked()
            found = bool(self._database.change(statement, sequence))
            self._shift(parked=-(parked and found))
            return found

    def shed_proved(self, sequence: str) -> int:
        """Remove the files of frames that receipts name as stored; return 0, because nothing is lost."""
        with self._lock:
            item = self.get(sequence)
            for n in item.stored if item else ():
                path = self.frame_path(sequence, n)
                if path.exists():
                    path.unlink()
                    size = item.record.frames[n].size if item else 0
                    self._database.change("UPDATE sequence SET bytes=MAX(0, bytes-?) WHERE id=?", size, sequence)
                    self._shift(size=-size)
            return 0

    def drop(self, sequence: str, reason: str) -> int:
        """Delete a sequence's files and mark it as dropped; return how many sequences were dropped (0 or 1)."""
        with self._lock:
            item = self.get(sequence)
            if item is None:
                return 0
            self._discard(item.record)  # files first: on a full card the table may have no room for the change
            rows = self._database.all("SELECT state, bytes FROM sequence WHERE id=?", sequence)
            statement = "UPDATE sequence SET state='dropped', bytes=0, record=x'', reason=? WHERE id=?"
            self._database.change(statement, reason, sequence)
            self.count(drops=1)
            self._shift(sequences=-1, size=-rows[0][1], parked=-(rows[0][0] == "parked"))
            _log.warning("sequence %s dropped: %s", sequence, reason)
            return 1

    def drop_unsent(self, sequence: str, reason: str) -> int:
        """Drop the frames of a sequence that the collector does not have; return how many."""
        with self._lock:
            item = self.get(sequence)
            unsent = item.unsent if item else []
            for n in unsent:
                self.frame_path(sequence, n).unlink(missing_ok=True)
            self.drop_frames(sequence, unsent, reason)
            return len(unsent)

    def drop_frames(self, sequence: str, frames: Iterable[int], reason: str) -> None:
        """Mark frames as dropped that cannot be delivered, and count each. Their files are not removed here."""
        with self._lock:
            item = self.get(sequence)
            gone = (set(frames) - item.dropped - item.stored) if item else set()
            if item is None or not gone:
                return
            size = sum(entry.size for entry in item.record.frames if entry.n in gone)
            statement = "UPDATE sequence SET dropped=?, bytes=MAX(0, bytes-?), reason=? WHERE id=?"
            self._database.change(statement, json.dumps(sorted(item.dropped | gone)), size, reason, sequence)
            self.count(drops=len(gone))
            self._shift(size=-size)
            _log.warning("sequence %s: frames %s dropped: %s", sequence, sorted(gone), reason)

    def strike(self, sequence: str) -> int:
        """Count a failed attempt for which the link was not the cause; return how many there were in a row."""
        with self._lock:
            self._database.change("UPDATE sequence SET strikes=strikes+1 WHERE id=?", sequence)
            item = self.get(sequence)
            return item.strikes if item else 0

    def mark_historical(self) -> int:
        """Mark the unsent records as historical, because they waited during an outage; return how many."""
        rule = "state='waiting' AND stage=0 AND historical=0"
        return self._database.change(f"UPDATE sequence SET historical=1 WHERE {rule}")

    def close(self) -> None:
        """Write pending totals and close the outbox for good."""
        self._database.close()

    # -- inside

    def _deliver(self, record: SequenceRecord, stored: Iterable[int]) -> None:
        rows = self._database.all("SELECT state, bytes FROM sequence WHERE id=?", record.id)
        statement = "UPDATE sequence SET state='delivered', stored=?, bytes=0, record=x'', reason=NULL WHERE id=?"
        try:
            self._database.change(statement, json.dumps(sorted(stored)), record.id)
        except StorageError:
            # A full card has no room for this change. The collector has everything, so the files can be deleted first.
            self._files.remove_frames(record)
            self._database.change(statement, json.dumps(sorted(stored)), record.id)
        self._shift(sequences=-1, size=-rows[0][1], parked=-(rows[0][0] == "parked"))
        self._discard(record)  # only after the commit: otherwise a crash could leave a row without files

    def _note_progress(self, item: Waiting, stored: frozenset[int]) -> None:
        stage = BEST_FRAME if best_frame(item.record) not in stored | item.dropped else OTHER_FRAMES
        if stored == item.stored and stage == item.stage and not item.strikes:
            return
        statement = "UPDATE sequence SET stage=?, stored=?, strikes=0 WHERE id=?"
        self._database.change(statement, stage, json.dumps(sorted(stored)), item.record.id)

    def _discard(self, record: SequenceRecord) -> None:
        try:
            self._files.remove(record)
        except OSError as error:
            _log.warning("sequence %s: leftovers stay until the next start: %s", record.id, error)

    def _recover(self) -> None:
        """Rebuild a lost table from the files, and remove files that an interrupted `add` left."""
        if self._database.fresh:
            self._rebuild()
        forget = "state='delivered' AND n < (SELECT MAX(n) FROM sequence) - ?"
        self._database.change(f"DELETE FROM sequence WHERE {forget}", REMEMBERED)
        rows = self._database.all(f"SELECT id FROM sequence WHERE {HERE}")
        self._files.sweep({str(row[0]) for row in rows})

    def _rebuild(self) -> None:
        """Insert the sequences on disk, then the identity, in one transaction; if interrupted, it is repeated."""
        with self._database.transaction() as connection:
            for record in self._files.stored():
                absent = self._files.absent(record)
                insert(connection, record, 0, absent, "held" if record.audit else "waiting")
                self.count(drops=len(absent))
                _log.warning("sequence %s rebuilt from its files; frames lost: %d", record.id, len(absent))
            connection.execute("INSERT INTO identity VALUES (?)", (os.urandom(4).hex(),))

    def _read_anew(self, sequence: str, error: MessageError) -> None:
        """Restore an unreadable record from its file; without a readable file, park the sequence."""
        _log.error("sequence %s: its record cannot be read (%s)", sequence, error)
        record = self._files.read(sequence)
        if record is not None:
            self._database.change("UPDATE sequence SET record=? WHERE id=?", encode(record), sequence)
            return
        statement = "UPDATE sequence SET state='parked', reason=? WHERE id=? AND state='waiting'"
        self._shift(parked=self._database.change(statement, f"its record cannot be read: {error}", sequence))

    def _all_remembered(self) -> dict[str, int]:
        noted = self._database.totals().items()
        return {name.removeprefix("noted_"): value for name, value in noted if name.startswith("noted_")}

    def _shift(self, sequences: int = 0, size: int = 0, parked: int = 0) -> None:
        depth = self._depth
        self._depth = Depth(depth.sequences + sequences, depth.bytes + size, depth.parked + parked)
