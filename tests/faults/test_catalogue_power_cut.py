"""Power cuts and the collector's catalogue: whatever a receipt names as stored is there and intact afterwards."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

WORK = """
import io, sys
from datetime import UTC, datetime
from pathlib import Path
from PIL import Image
from support.power_cut import leave_out_folder_fsyncs
from uncia_collector.ingest.wire_messages import RawMessage, parse_message
from uncia_collector.catalogue.database import Database
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.settings import sqlite_url
from uncia_collector.ingest.store import Store
from uncia_contract.files import sync_folder
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics
from support.records import make_record

root, synchronous, folder_sync = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "yes"
if not folder_sync:
    leave_out_folder_fsyncs()
(root / "data").mkdir()
database = Database(sqlite_url(root / "data"))
if synchronous != "FULL":
    from sqlalchemy import event
    set_it = lambda connection, _: connection.execute(f"PRAGMA synchronous={synchronous}").close()
    event.listen(database.engine, "connect", set_it)
database.migrate()
sync_folder(root)
store, topics = Store(database, FrameFolder(root / "data")), Topics("ridge-01")
now = datetime(2026, 11, 1, tzinfo=UTC)
marks = open(root / "marks", "a", buffering=1)

def jpeg(n):
    stream = io.BytesIO()
    Image.new("RGB", (8 + n, 8), (n * 7 % 256, n, 255 - n)).save(stream, "JPEG")
    return stream.getvalue()

def take(*messages):
    for answer in store.commit([parse_message(message) for message in messages], now):
        receipt = answer.receipt
        if receipt.record_stored:
            marks.write(f"record {receipt.sequence}\\n")
        for n in receipt.frames_stored:
            marks.write(f"frame {receipt.sequence} {n} {hashes[receipt.sequence, n]}\\n")

hashes = {}
for number in range(14):
    contents = [jpeg(3 * number + n) for n in range(3)]
    record = make_record(f"s{number:03d}", contents)
    hashes.update({(record.id, entry.n): entry.sha256 for entry in record.frames})
    take(RawMessage(topics.record(record.id), encode(record)))
    for entry, content in zip(record.frames, contents):
        user = [("sha256", entry.sha256), ("size", str(entry.size))]
        half = entry.size // 2
        take(RawMessage(topics.chunk(record.id, entry.n, half), content[half:], user))
        take(RawMessage(topics.chunk(record.id, entry.n, 0), content[:half], user))
"""


def catalogue_fault(disk: Path, promises: list[str]) -> str | None:
    """The problems that a restarted collector would have."""
    owed = {tuple(line.split()[1:]) for line in promises if line.startswith("frame")}
    records = {line.split()[1] for line in promises if line.startswith("record")}
    path = disk / "data" / "catalogue.sqlite"
    if not path.exists():
        return "lost: the catalogue is gone" if records else None
    try:
        stored, known = _read(path)
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return "lost: all tables" if records else None
        return f"corrupt: {error}"
    if lost := records - known:
        return f"lost records {sorted(lost)}"
    for sequence, n, sha256 in owed:
        if (sequence, int(n)) not in stored:
            return f"lost frame {n} of {sequence}"
        if stored[sequence, int(n)][0] != sha256:
            return f"frame {n} of {sequence} has another hash"
    return _wrong_file(disk / "data", stored)


def _read(path: Path) -> tuple[dict[tuple[str, int], tuple[str, str]], set[str]]:
    connection = sqlite3.connect(path)
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        known = {row[0] for row in connection.execute("SELECT id FROM sequences")}
        rows = connection.execute("SELECT sequence, n, sha256, path FROM frames WHERE status='stored'")
        return {(sequence, n): (sha256, file) for sequence, n, sha256, file in rows}, known
    finally:
        connection.close()


def _wrong_file(data: Path, stored: dict[tuple[str, int], tuple[str, str]]) -> str | None:
    for (sequence, n), (sha256, file) in stored.items():
        path = data / file
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            return f"wrong: the file of frame {n} of {sequence}"
    return None


def test_no_power_cut_loses_what_a_receipt_promised(power: Any) -> None:
    """A thousand cuts: records and frames with receipts are in catalogue and folder, and intact."""
    recording = power.record(WORK, "FULL", "yes")
    assert recording.operations > 500
    assert power.faults(recording, catalogue_fault, states=1000) == []


@pytest.mark.parametrize(("synchronous", "folder_sync"), [("NORMAL", "yes"), ("FULL", "no")])
def test_the_replay_finds_what_a_wrong_setting_loses(power: Any, synchronous: str, folder_sync: str) -> None:
    """Without durable commits, or without fsync of the folders, the check finds losses."""
    found = power.faults(power.record(WORK, synchronous, folder_sync), catalogue_fault, states=200)
    assert len([fault for fault in found if "lost" in fault or "wrong" in fault]) >= 5
