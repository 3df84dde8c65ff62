"""What waits for the collector's receipt: each positive sequence, in one SQLite table and its files.

Decides a sequence's life (docs/delivery.md draws it): `add` commits record and frames before it returns, only a
receipt's proof removes them, what cannot be sent is parked and never forgotten. How and when things are sent is
`delivery`; what goes when the card fills is `pressure`.

    waiting --receipt: all stored--> delivered        waiting --refused, poison--> parked --release--> waiting
    waiting --over the day's budget--> held --asked for, new day--> waiting        any --card full--> dropped
"""

# ruff: noqa: S608 -- statements are put together from this module's own constants; values are always bound
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_contract.messages import Counters, Receipt, SequenceRecord, encode
from uncia_contract.topics import check_trap_id
from uncia_edge import durable
from uncia_edge.database import Database, bump
from uncia_edge.frame_files import FrameFiles
from uncia_edge.waiting import SELECT, Waiting, best_frame, item_of

_log = logging.getLogger(__name__)

RECORD, BEST_FRAME, OTHER_FRAMES = 0, 1, 2
REFUSED = "refused by the collector"
REMEMBERED = 20_000  # so many of the newest delivered sequences are remembered as such
_HERE = "state NOT IN ('delivered', 'dropped')"


@dataclass(frozen=True)
class Depth:
    """How much waits: sequences not yet delivered (parked and held ones included), their bytes, and the parked ones."""

    sequences: int
    bytes: int
    parked: int


class Outbox:
    """Durable store of what the collector does not have yet. Safe to use from several threads.

    Args:
        folder: where the database and the frames lie; made when absent.
        synchronous: SQLite's setting; FULL, but for the test that proves it necessary.

    Raises:
        StorageError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, synchronous: str = "FULL") -> None:
        self.folder = folder
        try:
            durable.make_folder(folder)
            self._files = FrameFiles(folder / "frames")
        except OSError as error:
            raise StorageError(f"outbox {folder}: {error}") from error
        self._database = Database(folder / "outbox.db", synchronous)
        self._lock = self._database.lock
        self.set_aside = self._database.set_aside
        if self.set_aside is not None:
            _log.error("outbox database was damaged; set aside as %s", self.set_aside.name)
        self._recover()
        self._depth = self._measure()
        self.on_add: Callable[[], None] | None = None  # called after each commit of a new sequence

    # -- identity and totals

    @property
    def installation(self) -> str:
        """Eight hexadecimal digits, drawn when the database was made: keeps ids apart after a reinstall."""
        return str(self._database.all("SELECT installation FROM identity")[0][0])

    def next_sequence_id(self, trap: str) -> str:
        """A sequence id never given before: `<trap>-<installation>-<n>`. Counts; knows no clock. Durable at once."""
        check_trap_id(trap)
        with self._database.transaction() as connection:
            n = bump(connection, "sequence_ids", 1)
        return f"{trap}-{self.installation}-{n:06d}"

    def count(self, **totals: int) -> None:
        """Add to the totals of `Counters`. Written with the next commit: a power cut may lose the last few counts."""
        for name, amount in totals.items():
            if name not in Counters.__struct_fields__:
                raise ValueError(f"total {name!r}: expected one of {', '.join(Counters.__struct_fields__)}")
            self._database.count(name, amount)

    def counters(self) -> Counters:
        """Totals since installation."""
        totals = self._database.totals()
        return Counters(**{name: totals.get(name, 0) for name in Counters.__struct_fields__})

    # -- the life of a sequence

    def add(self, record: SequenceRecord, files: Sequence[Path], priority: int = 0) -> None:
        """Take a sequence. When this returns, record and frames survive a power cut.

        Adding an id again does nothing. The files are linked or copied, never moved or changed.

        Args:
            record: the sequence; its frames' sizes are checked against the files.
            files: the originals, in the order of `record.frames`.
            priority: 0 goes before 1 within a stage.

        Raises:
            StorageError: a file that does not fit its frame, or a card that is full or failing; nothing is kept then.
        """
        with self._lock:
            if self._database.all("SELECT 1 FROM sequence WHERE id=?", record.id):
                return
            try:
                self._files.put(record, files)
                with self._database.transaction() as connection:
                    size = _insert(connection, record, priority)
            except OSError as error:  # a StorageError is one too
                self._discard(record)
                raise StorageError(f"sequence {record.id} cannot be stored: {error}") from error
            self._shift(sequences=1, size=size)
        if self.on_add is not None:
            self.on_add()

    def apply(self, receipt: Receipt) -> None:
        """Do what a receipt proves: note stored frames, remove a sequence that is safe, park one that is refused."""
        with self._lock:
            item = self.get(receipt.sequence)
            if item is None:
                return
            if receipt.refused is not None:
                self.park(receipt.sequence, f"{REFUSED}: {receipt.refused}")
                return
            if not receipt.record_stored:
                return
            frames = {entry.n for entry in item.record.frames}
            missing = {frame.n for frame in receipt.missing}
            stored = ((item.stored | set(receipt.frames_stored)) & frames) - missing
            if frames - item.dropped <= stored:
                self._deliver(item.record, stored)
            else:
                self._note_progress(item, stored)

    def park(self, sequence: str, reason: str) -> None:
        """Take a sequence out of the way of the others; it stays on disk until it is released."""
        with self._lock:
            rule = "id=? AND state IN ('waiting', 'held')"
            if self._database.change(f"UPDATE sequence SET state='parked', reason=? WHERE {rule}", reason, sequence):
                self.count(parked=1)
                self._shift(parked=1)
                _log.warning("sequence %s parked: %s", sequence, reason)

    def release(self) -> int:
        """Let the parked sequences that the collector did not refuse be tried again; the number of them."""
        with self._lock:
            rule = f"state='parked' AND reason NOT LIKE '{REFUSED}%'"
            released = self._database.change(f"UPDATE sequence SET state='waiting', strikes=0 WHERE {rule}")
            self._shift(parked=-released)
            return released

    def in_stages(self, first: int, last: int, positive: bool | None = None) -> list[str]:
        """The ids of sequences on the card in these stages, oldest first."""
        rows = self._database.all(
            f"SELECT id FROM sequence WHERE {_HERE} AND stage BETWEEN ? AND ? AND positive IN (?, ?) ORDER BY n",
            *(first, last, *((0, 1) if positive is None else (int(positive), int(positive)))),
        )
        return [str(row[0]) for row in rows]

    def ask_for(self, sequence: str) -> bool:
        """Send a sequence before all others and past the budget; whether it is still here."""
        statement = f"UPDATE sequence SET priority=-1, state='waiting' WHERE id=? AND {_HERE}"
        with self._lock:
            parked = sequence in self.parked()
            found = bool(self._database.change(statement, sequence))
            self._shift(parked=-(parked and found))
            return found

    def shed_proved(self, sequence: str) -> int:
        """Remove the files of frames that receipts proved stored; loses nothing, so it counts nothing."""
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
        """Give a whole sequence up: its files go, a tombstone stays. The number of sequences dropped."""
        with self._lock:
            item = self.get(sequence)
            if item is None:
                return 0
            self._discard(item.record)  # files first: on a full card the table may have no room for the change
            rows = self._database.all("SELECT state, bytes FROM sequence WHERE id=?", sequence)
            self._database.change("UPDATE sequence SET state='dropped', bytes=0, reason=? WHERE id=?", reason, sequence)
            self.count(drops=1)
            self._shift(sequences=-1, size=-rows[0][1], parked=-(rows[0][0] == "parked"))
            _log.warning("sequence %s dropped: %s", sequence, reason)
            return 1

    def drop_unsent(self, sequence: str, reason: str) -> int:
        """Give up the frames of a sequence that are not stored yet; the number of them."""
        with self._lock:
            item = self.get(sequence)
            unsent = item.unsent if item else []
            for n in unsent:
                self.frame_path(sequence, n).unlink(missing_ok=True)
            self.drop_frames(sequence, unsent, reason)
            return len(unsent)

    def drop_frames(self, sequence: str, frames: Iterable[int], reason: str) -> None:
        """Give frames up that cannot be delivered any more; each is counted. Their files stay with their sequence."""
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
        """Note a failed sending that the link is not to blame for; the number of them in a row."""
        with self._lock:
            self._database.change("UPDATE sequence SET strikes=strikes+1 WHERE id=?", sequence)
            item = self.get(sequence)
            return item.strikes if item else 0

    def mark_historical(self) -> int:
        """Flag the records that are still unsent: they waited over an outage. The number of them."""
        rule = "state='waiting' AND stage=0 AND historical=0"
        return self._database.change(f"UPDATE sequence SET historical=1 WHERE {rule}")

    # -- questions

    def next(
        self, limit: int = 1, exclude: Collection[str] = (), stages: tuple[int, int] = (RECORD, OTHER_FRAMES)
    ) -> list[Waiting]:
        """The sequences to send next: records before best frames before other frames, then by priority and age.

        Args:
            limit: at most so many.
            exclude: ids to leave out.
            stages: the first and the last stage asked for.
        """
        first, last = stages
        rows = self._database.all(
            "SELECT id, n FROM sequence WHERE state='waiting' AND stage BETWEEN ? AND ?"
            " ORDER BY stage, priority, n LIMIT ?",
            *(first, last, limit + len(exclude)),
        )
        chosen = [n for sequence, n in rows if sequence not in exclude][:limit]
        return [item_of(self._database.all(f"{SELECT} WHERE n=?", n)[0]) for n in chosen]

    def get(self, sequence: str) -> Waiting | None:
        """A sequence that is still in the outbox, in whatever state; None when it is delivered or unknown."""
        rows = self._database.all(f"{SELECT} WHERE id=? AND {_HERE}", sequence)
        return item_of(rows[0]) if rows else None

    def frame_path(self, sequence: str, n: int) -> Path:
        """Where a frame's bytes lie."""
        return self._files.frame(sequence, n)

    def waiting(self) -> list[str]:
        """The ids that have no receipt yet (parked and held ones included), oldest first."""
        return [str(row[0]) for row in self._database.all(f"SELECT id FROM sequence WHERE {_HERE} ORDER BY n")]

    def parked(self) -> dict[str, str]:
        """The parked sequences, each with its reason."""
        rows = self._database.all("SELECT id, reason FROM sequence WHERE state='parked' ORDER BY n")
        return {str(sequence): str(reason) for sequence, reason in rows}

    def is_delivered(self, sequence: str) -> bool:
        """Whether the collector's receipt for the whole sequence arrived."""
        return bool(self._database.all("SELECT 1 FROM sequence WHERE id=? AND state='delivered'", sequence))

    def frames_delivered(self, sequence: str) -> int:
        """How many frames of a sequence the collector's receipts proved stored."""
        rows = self._database.all("SELECT stored FROM sequence WHERE id=?", sequence)
        return len(json.loads(rows[0][0])) if rows else 0

    def has_taken(self, hashes: Collection[str]) -> bool:
        """Whether one of the latest sequences began with a frame of one of these sha256."""
        rows = self._database.all("SELECT first_frame FROM sequence ORDER BY n DESC LIMIT 50")
        return any(row[0] in hashes for row in rows)

    def depth(self) -> Depth:
        """How much waits."""
        return self._depth

    def oldest(self) -> SequenceRecord | None:
        """The record that waits longest."""
        rows = self._database.all(f"{SELECT} WHERE {_HERE} ORDER BY n LIMIT 1")
        return item_of(rows[0]).record if rows else None

    def close(self) -> None:
        """Write what is pending and close. The outbox cannot be used afterwards."""
        self._database.close()

    # -- inside

    def _deliver(self, record: SequenceRecord, stored: Iterable[int]) -> None:
        with self._database.transaction() as connection:
            state, size = connection.execute("SELECT state, bytes FROM sequence WHERE id=?", (record.id,)).fetchone()
            connection.execute(
                "UPDATE sequence SET state='delivered', stored=?, bytes=0, record=x'', reason=NULL WHERE id=?",
                (json.dumps(sorted(stored)), record.id),
            )
        self._shift(sequences=-1, size=-size, parked=-(state == "parked"))
        self._discard(record)  # after the commit: the other way round, a crash would leave a row without files

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
        """After any crash: rebuild a lost table from the files; sweep what an unfinished add left behind."""
        if self._database.fresh:
            self._rebuild()
        forget = "state='delivered' AND n < (SELECT MAX(n) FROM sequence) - ?"
        self._database.change(f"DELETE FROM sequence WHERE {forget}", REMEMBERED)
        rows = self._database.all(f"SELECT id FROM sequence WHERE {_HERE}")
        self._files.sweep({str(row[0]) for row in rows})

    def _rebuild(self) -> None:
        """Enter what lies on disk, then the identity, in one transaction: cut short, it is done again."""
        with self._database.transaction() as connection:
            for record in self._files.stored():
                absent = self._files.absent(record)
                _insert(connection, record, priority=0, dropped=absent)
                self.count(drops=len(absent))
                _log.warning("sequence %s rebuilt from its files; frames lost: %d", record.id, len(absent))
            connection.execute("INSERT INTO identity VALUES (?)", (os.urandom(4).hex(),))

    def _measure(self) -> Depth:
        columns = "COUNT(*), COALESCE(SUM(bytes), 0), COALESCE(SUM(state='parked'), 0)"
        return Depth(*self._database.all(f"SELECT {columns} FROM sequence WHERE {_HERE}")[0])

    def _shift(self, sequences: int = 0, size: int = 0, parked: int = 0) -> None:
        depth = self._depth
        self._depth = Depth(depth.sequences + sequences, depth.bytes + size, depth.parked + parked)


def _insert(connection: sqlite3.Connection, record: SequenceRecord, priority: int, dropped: Sequence[int] = ()) -> int:
    """Enter a sequence as waiting; the bytes of its frames that lie on disk."""
    size = sum(entry.size for entry in record.frames if entry.n not in dropped)
    connection.execute(
        "INSERT INTO sequence (id, state, stage, priority, positive, frames, bytes, record, dropped, first_frame)"
        " VALUES (?, 'waiting', 0, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(record.id, priority, record.positive, len(record.frames), size),
            *(encode(record), json.dumps(list(dropped)), record.frames[0].sha256),
        ),
    )
    return size
