"""What lies in the outbox: its table and files opened, and the questions, which change nothing.

Decides what is next: records before best frames before other frames, then by priority and age. Changes are `outbox`'s.
"""

# ruff: noqa: S608 -- statements are put together from this module's own constants; values are always bound
import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.errors import MessageError, StorageError
from uncia_contract.files import make_folder
from uncia_contract.messages.records import Counters, SequenceRecord, encode
from uncia_edge.outbox.database import Database
from uncia_edge.outbox.frame_files import FrameFiles
from uncia_edge.outbox.waiting_sequence import SELECT, Waiting, item_of

_log = logging.getLogger(__name__)

RECORD, BEST_FRAME, OTHER_FRAMES = 0, 1, 2
HERE = "state NOT IN ('delivered', 'dropped')"


@dataclass(frozen=True)
class Depth:
    """How much waits: sequences not yet delivered (parked and held ones included), their bytes, and the parked ones."""

    sequences: int
    bytes: int
    parked: int


class Shelf:
    """Table and files at `folder`, made when absent; see `Outbox`.

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
        self.set_aside = self._database.set_aside
        self._depth = Depth(0, 0, 0)
        self._remembered: dict[str, int] = {}

    @property
    def damaged(self) -> bool:
        """Whether the table has turned out to be damaged; opened anew it is rebuilt."""
        return self._database.damaged

    @property
    def installation(self) -> str:
        """Eight hexadecimal digits, drawn when the database was made: keeps ids apart after a reinstall."""
        return str(self._database.all("SELECT installation FROM identity")[0][0])

    def counters(self) -> Counters:
        """Totals since installation."""
        totals = self._database.totals()
        return Counters(**{name: totals.get(name, 0) for name in Counters.__struct_fields__})

    def remembered(self, name: str) -> int:
        """A number that was noted; 0 when it never was."""
        return self._remembered.get(name, 0)

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
        chosen = [sequence for sequence, _ in rows if sequence not in exclude][:limit]
        return [item for sequence in chosen if (item := self.get(sequence)) is not None]

    def get(self, sequence: str) -> Waiting | None:
        """A sequence that is still in the outbox, in whatever state; None when it is delivered or unknown."""
        rows = self._database.all(f"{SELECT} WHERE id=? AND {HERE}", sequence)
        try:
            return item_of(rows[0]) if rows else None
        except MessageError as error:
            with self._lock:
                self._read_anew(sequence, error)
            return None

    def frame_path(self, sequence: str, n: int) -> Path:
        """Where a frame's bytes lie."""
        return self._files.frame(sequence, n)

    def waiting(self) -> list[str]:
        """The ids that have no receipt yet (parked and held ones included), oldest first."""
        return [str(row[0]) for row in self._database.all(f"SELECT id FROM sequence WHERE {HERE} ORDER BY n")]

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
        rows = self._database.all("SELECT first_frame FROM sequence ORDER BY n DESC LIMIT 1000")
        return any(row[0] in hashes for row in rows)

    def depth(self) -> Depth:
        """How much waits."""
        return self._depth

    def oldest(self) -> SequenceRecord | None:
        """The record that waits longest."""
        rows = self._database.all(f"SELECT id FROM sequence WHERE {HERE} ORDER BY n LIMIT 1")
        item = self.get(rows[0][0]) if rows else None
        return item.record if item else None

    def held(self) -> list[str]:
        """The ids of the sequences that are held back, oldest first."""
        return [str(row[0]) for row in self._database.all("SELECT id FROM sequence WHERE state='held' ORDER BY n")]

    def in_stages(self, first: int, last: int, positive: bool | None = None) -> list[str]:
        """The ids of sequences on the card in these stages, oldest first."""
        rows = self._database.all(
            f"SELECT id FROM sequence WHERE {HERE} AND stage BETWEEN ? AND ? AND positive IN (?, ?) ORDER BY n",
            *(first, last, *((0, 1) if positive is None else (int(positive), int(positive)))),
        )
        return [str(row[0]) for row in rows]

    # -- inside

    def _read_anew(self, sequence: str, error: MessageError) -> None:
        """A record that has rotted in the table is taken from its file; without that it must not hold up the others."""
        _log.error("sequence %s: its record cannot be read (%s)", sequence, error)
        record = self._files.read(sequence)
        if record is not None:
            self._database.change("UPDATE sequence SET record=? WHERE id=?", encode(record), sequence)
        else:
            rule = "id=? AND state='waiting'"
            reason = f"its record cannot be read: {error}"
            parked = self._database.change(
                f"UPDATE sequence SET state='parked', reason=? WHERE {rule}", reason, sequence
            )
            self._depth = Depth(self._depth.sequences, self._depth.bytes, self._depth.parked + parked)

    def _measure(self) -> Depth:
        columns = "COUNT(*), COALESCE(SUM(bytes), 0), COALESCE(SUM(state='parked'), 0)"
        return Depth(*self._database.all(f"SELECT {columns} FROM sequence WHERE {HERE}")[0])

    def _all_remembered(self) -> dict[str, int]:
        noted = self._database.totals().items()
        return {name.removeprefix("noted_"): value for name, value in noted if name.startswith("noted_")}
