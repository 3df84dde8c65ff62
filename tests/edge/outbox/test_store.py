"""The outbox: added sequences survive restarts, only receipts remove them, ids never repeat."""

import hashlib
import resource
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.records import make_record, write_frames
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import MissingFrame, Receipt, SequenceRecord, best_frame
from uncia_edge.outbox.store import Outbox

CONTENTS = [b"first frame", b"second", b"third frame of all"]


def fill(outbox: Outbox, folder: Path, sequence: str = "ridge-01-aaaa-000001", **options: object) -> SequenceRecord:
    record = make_record(sequence, CONTENTS, **options)
    outbox.add(record, write_frames(folder / "spool" / sequence, CONTENTS))
    return record


def files_of(outbox: Outbox) -> list[str]:
    return sorted(path.name for path in (outbox.folder / "frames").rglob("*") if path.is_file())


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_an_added_sequence_is_there_after_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    """Record, frames and depth are read back by the next process."""
    record = fill(outbox, tmp_path)
    again = Outbox(tmp_path / "outbox")
    assert again.next()[0].record == record
    assert [again.frame_path(record.id, n).read_bytes() for n in range(3)] == CONTENTS
    assert again.depth() == outbox.depth()


def test_original_bytes_are_not_touched(outbox: Outbox, tmp_path: Path) -> None:
    """The source file stays, and the stored copy has its sha256."""
    record = fill(outbox, tmp_path)
    spooled = tmp_path / "spool" / record.id / "frame-0.jpg"
    assert spooled.read_bytes() == CONTENTS[0]
    kept = outbox.frame_path(record.id, 0).read_bytes()
    assert hashlib.sha256(kept).hexdigest() == record.frames[0].sha256


def test_adding_an_id_again_does_nothing(outbox: Outbox, tmp_path: Path) -> None:
    """So a trap may repeat its last step after a crash."""
    fill(outbox, tmp_path)
    fill(outbox, tmp_path)
    assert outbox.depth().sequences == 1


def test_a_delivered_sequence_is_not_taken_again(outbox: Outbox, tmp_path: Path) -> None:
    """The id is still known after its receipt."""
    record = fill(outbox, tmp_path)
    outbox.apply(Receipt(record.id, True, (0, 1, 2)))
    fill(outbox, tmp_path)
    assert outbox.queries.waiting() == []


def test_a_file_of_another_size_is_refused(outbox: Outbox, tmp_path: Path) -> None:
    """The file that does not have its record's size is named, and nothing is stored."""
    record = make_record("ridge-01-aaaa-000001", CONTENTS)
    files = write_frames(tmp_path / "spool", [b"x", *CONTENTS[1:]])
    with pytest.raises(StorageError, match="1 bytes, its record says 11"):
        outbox.add(record, files)
    assert outbox.queries.waiting() == []
    assert files_of(outbox) == []


def test_a_complete_receipt_removes_the_sequence_and_its_files(outbox: Outbox, tmp_path: Path) -> None:
    """It is remembered as delivered, and its files are deleted."""
    record = fill(outbox, tmp_path)
    outbox.apply(Receipt(record.id, True, (0, 1, 2)))
    assert outbox.queries.is_delivered(record.id)
    assert outbox.queries.frames_delivered(record.id) == 3
    assert files_of(outbox) == []
    assert outbox.depth().bytes == 0


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt("ridge-01-aaaa-000001", True, (0, 1), (MissingFrame(2),)),
        Receipt("ridge-01-aaaa-000001", True, (0, 1)),
        Receipt("ridge-01-aaaa-000001", False, (0, 1, 2)),
        Receipt("ridge-01-aaaa-000001", True, (), ()),
        Receipt("ridge-01-aaaa-000002", True, (0, 1, 2)),
    ],
    ids=["one frame missing", "one frame not proved", "record not stored", "nothing proved", "another sequence"],
)
def test_a_receipt_removes_only_what_it_proves(outbox: Outbox, tmp_path: Path, receipt: Receipt) -> None:
    """As long as the record or a frame is not stored, all files stay on the card."""
    record = fill(outbox, tmp_path)
    outbox.apply(receipt)
    assert outbox.queries.waiting() == [record.id]
    assert len(files_of(outbox)) == 4


def test_a_frame_that_the_collector_lost_is_sent_again(outbox: Outbox, tmp_path: Path) -> None:
    """The newest receipt counts: a frame that was stored before and is missing now is unsent."""
    record = fill(outbox, tmp_path)
    outbox.apply(Receipt(record.id, True, (0, 1), (MissingFrame(2),)))
    outbox.apply(Receipt(record.id, True, (0,), (MissingFrame(1), MissingFrame(2))))
    assert outbox.next()[0].unsent == [1, 2]


def test_a_refused_sequence_is_parked_with_its_files(outbox: Outbox, tmp_path: Path) -> None:
    """The collector will never accept it: it is not sent again, stays on the card, and is not released."""
    record = fill(outbox, tmp_path)
    outbox.apply(Receipt(record.id, False, refused="conflicting hash"))
    assert outbox.next() == []
    assert outbox.release() == 0
    assert outbox.queries.parked() == {record.id: "refused by the collector: conflicting hash"}
    assert len(files_of(outbox)) == 4


def test_a_parked_sequence_is_released(outbox: Outbox, tmp_path: Path) -> None:
    """A sequence that was parked because of the broker is tried again later."""
    record = fill(outbox, tmp_path)
    outbox.park(record.id, "not authorised")
    assert (outbox.next(), outbox.depth().parked) == ([], 1)
    assert outbox.release() == 1
    assert (outbox.next()[0].record.id, outbox.depth().parked) == (record.id, 0)


def test_records_go_before_frames_and_older_before_newer(outbox: Outbox, tmp_path: Path) -> None:
    """Order: unsent records by priority and age, then sequences whose best frame is due, then the rest."""
    for n, sequence in enumerate(["a", "b", "c", "d"]):
        record = make_record(sequence, CONTENTS, scores=[0.1, 0.8, 0.5])
        outbox.add(record, write_frames(tmp_path / sequence, CONTENTS), priority=1 if n == 2 else 0)
    outbox.apply(Receipt("a", True, (1,), (MissingFrame(0), MissingFrame(2))))
    outbox.apply(Receipt("b", True, (), (MissingFrame(0), MissingFrame(1), MissingFrame(2))))
    assert [item.record.id for item in outbox.next(4)] == ["d", "c", "b", "a"]


def test_the_best_frame_is_sent_first(outbox: Outbox, tmp_path: Path) -> None:
    """The highest score, then the others in order."""
    fill(outbox, tmp_path, scores=[0.2, 0.3, 0.9])
    item = outbox.next()[0]
    assert best_frame(item.record) == 2
    assert item.unsent == [2, 0, 1]


def test_ids_are_unique_over_restarts_and_reinstalls(tmp_path: Path) -> None:
    """The database counts them; a new database has another installation in its ids."""
    first = Outbox(tmp_path / "one")
    ids = [first.next_sequence_id("ridge-01"), first.next_sequence_id("ridge-01")]
    ids.append(Outbox(tmp_path / "one").next_sequence_id("ridge-01"))
    ids.append(Outbox(tmp_path / "two").next_sequence_id("ridge-01"))
    assert len(set(ids)) == 4


def test_totals_survive_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    """Counted in memory, written with the next commit or at close."""
    outbox.count(frames=10, bursts=1)
    outbox.count(frames=5)
    outbox.close()
    assert Outbox(tmp_path / "outbox").counters().frames == 15


def test_an_unknown_total_is_refused(outbox: Outbox) -> None:
    """A misspelt name is an error, not a new counter."""
    with pytest.raises(ValueError, match="'framse'"):
        outbox.count(framse=1)


@pytest.mark.parametrize("damage", [b"", b"\0" * 8192, b"not a database at all" * 500], ids=["empty", "zeroed", "text"])
def test_a_damaged_database_is_rebuilt_from_the_files(outbox: Outbox, tmp_path: Path, damage: bytes) -> None:
    """Every sequence on the card waits again, the damaged file is kept aside, and ids do not repeat."""
    record = fill(outbox, tmp_path)
    before = outbox.next_sequence_id("ridge-01")
    outbox.close()
    (tmp_path / "outbox" / "outbox.db").write_bytes(damage)
    again = Outbox(tmp_path / "outbox")
    assert again.next()[0].record == record
    assert again.next_sequence_id("ridge-01") != before
    assert (again.set_aside is not None) == bool(damage)


def test_a_database_damaged_in_the_middle_is_rebuilt(outbox: Outbox, tmp_path: Path) -> None:
    """Random bytes in some pages are found when the file is opened."""
    records = [fill(outbox, tmp_path, f"ridge-01-aaaa-{n:06d}") for n in range(40)]
    outbox.close()
    path = tmp_path / "outbox" / "outbox.db"
    content = bytearray(path.read_bytes())
    content[8192:16384] = b"\xa5" * 8192
    path.write_bytes(content)
    assert sorted(Outbox(tmp_path / "outbox").queries.waiting()) == sorted(record.id for record in records)


def test_a_lost_frame_does_not_hold_back_its_sequence(outbox: Outbox, tmp_path: Path) -> None:
    """If a frame is gone at a rebuild, the others are delivered and the loss is counted."""
    record = fill(outbox, tmp_path)
    outbox.close()
    (tmp_path / "outbox" / "outbox.db").unlink()
    outbox.frame_path(record.id, 1).unlink()
    again = Outbox(tmp_path / "outbox")
    assert again.next()[0].unsent == [0, 2]
    assert again.counters().drops == 1
    again.apply(Receipt(record.id, True, (0, 2), (MissingFrame(1),)))
    assert again.queries.is_delivered(record.id)


def test_files_of_an_unfinished_add_are_removed(outbox: Outbox, tmp_path: Path) -> None:
    """Files without a row belong to a burst that was never stored; the camera still has it."""
    record = fill(outbox, tmp_path)
    shard = outbox.frame_path(record.id, 0).parent
    (shard / "ridge-01-aaaa-000009.0.jpg").write_bytes(b"half")
    (shard / f"{record.id}.0.jpg.tmp").write_bytes(b"half")
    Outbox(tmp_path / "outbox")
    assert len(files_of(outbox)) == 4


def test_a_newer_schema_is_refused_in_one_line(tmp_path: Path) -> None:
    """An older program does not change a newer database."""
    Outbox(tmp_path / "outbox").close()
    with sqlite3.connect(tmp_path / "outbox" / "outbox.db") as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(StorageError, match="schema 99 is newer"):
        Outbox(tmp_path / "outbox")


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """A file has the folder's name."""
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(StorageError, match="outbox"):
        Outbox(tmp_path / "outbox")


Step = st.tuples(
    st.sampled_from(["add", "stored", "complete", "refuse", "park", "release", "restart"]), st.integers(0, 4)
)


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(Step, max_size=20))
def test_depth_and_files_always_agree_with_the_table(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """After any sequence of calls, `depth` equals a new count, and exactly the undelivered sequences have files."""
    folder = tmp_path_factory.mktemp("history")
    outbox = Outbox(folder / "outbox")
    for action, n in steps:
        name = f"trap-{n}"
        if action == "add":
            fill(outbox, folder, name)
        elif action == "stored":
            outbox.apply(Receipt(name, True, (n % 3,), tuple(MissingFrame(k) for k in range(3) if k != n % 3)))
        elif action == "complete":
            outbox.apply(Receipt(name, True, (0, 1, 2)))
        elif action == "refuse":
            outbox.apply(Receipt(name, False, refused="no"))
        elif action == "park":
            outbox.park(name, "for a test")
        elif action == "release":
            outbox.release()
        else:
            outbox.close()
            outbox = Outbox(folder / "outbox")
    fresh = Outbox(folder / "outbox")
    assert outbox.depth() == fresh.depth()
    assert len(files_of(outbox)) == 4 * len(outbox.queries.waiting())
    outbox.close()


@pytest.mark.parametrize("file", ["whole", "gone"])
def test_a_record_that_rots_on_the_card_blocks_no_other(outbox: Outbox, tmp_path: Path, file: str) -> None:
    """It is restored from its file; if that is gone too, the sequence is parked."""
    rotten, sound = (fill(outbox, tmp_path, f"ridge-01-aaaa-{n:06d}") for n in (1, 2))
    outbox._database.change("UPDATE sequence SET record=x'7b' WHERE id=?", rotten.id)
    if file == "gone":
        outbox._files.record(rotten.id).unlink()
    assert (outbox.queries.oldest(), outbox.get(rotten.id)) == (None, None)
    assert [item.record for item in outbox.next(2)] == ([rotten, sound] if file == "whole" else [sound])
    assert list(outbox.queries.parked()) == ([] if file == "whole" else [rotten.id])
    assert outbox.depth().parked == len(outbox.queries.parked())


def test_a_sequence_of_hundreds_of_frames_holds_few_files_open(outbox: Outbox, tmp_path: Path) -> None:
    """A process may open 1,024 files; here the limit leaves room for a hundred more."""
    files = len(list(Path("/proc/self/fd").iterdir()))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    contents = [str(n).encode() for n in range(300)]
    spool = write_frames(tmp_path / "spool", contents)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files + 100, before[1]))
    try:
        outbox.add(make_record("many", contents), spool)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [outbox.frame_path("many", n).read_bytes() for n in range(300)] == contents
