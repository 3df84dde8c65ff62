"""Storing batches: the numbered rules of `uncia_collector.ingest.store`."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.collector.conftest import NOW

from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.schema import chunks, quarantine, tallies
from uncia_collector.ingest.chunks import delete_old
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import ByteRange, MissingFrame

KEY = ("ridge", "000001")


def count(stored, table) -> int:
    """Rows of a table."""
    with stored.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_record_alone_is_answered_with_all_that_is_missing(stored, sent):
    """The receipt of a new record names every frame, without ranges: the whole frame is missing."""
    receipt = stored.commit(sent.record_message())[KEY]

    assert (receipt.record_stored, receipt.missing) == (True, (MissingFrame(0), MissingFrame(1)))


def test_whole_sequence_in_one_batch_is_complete(stored, sent):
    """Record and frames together give one receipt that means delivered."""
    assert stored.commit(*sent.messages())[KEY].complete


def test_stored_files_hold_the_same_bytes(stored, sent):
    """A stored JPEG has exactly the bytes that the trap sent."""
    stored.commit(*sent.messages(step=500))

    assert sorted(stored.files().values()) == sorted(sent.pictures)


def test_a_receipt_names_the_missing_bytes(stored, sent):
    """It names the byte ranges between the chunks that came."""
    first, _, third, *_ = sent.chunk_messages(0, step=500)

    stored.commit(sent.record_message(), first, third)

    missing = stored.commit(sent.record_message())[KEY].missing[0]
    assert missing.ranges == (ByteRange(500, 1000), ByteRange(1500, len(sent.pictures[0])))


def test_chunk_before_its_record_waits_for_it(stored, sent):
    """#4: chunks that come before the record are used when it comes."""
    stored.commit(*sent.chunk_messages(0, step=500))

    assert stored.commit(sent.record_message())[KEY].frames_stored == (0,)


def test_nothing_waits_once_a_frame_is_stored(stored, sent):
    """The chunks of a stored frame are deleted."""
    for message in sent.messages(step=500):
        stored.commit(message)

    assert count(stored, chunks) == 0


def test_late_chunk_of_a_stored_frame_is_answered_and_ignored(stored, sent):
    """#4: a repeated chunk gets a receipt, because the first receipt may have been lost."""
    stored.commit(*sent.messages())

    assert stored.commit(sent.chunk_messages(0)[0])[KEY].complete


def test_same_record_twice_is_one_sequence(stored, sent):
    """#1: the same record again changes nothing."""
    stored.commit(*sent.messages())
    stored.commit(*sent.messages())

    assert [row["complete"] for row in listing(stored.database)] == [True]


def test_record_with_other_frames_is_refused(stored, sent, make_sequence, make_jpeg):
    """#2: the same id with other hashes is refused, and the receipt says why."""
    stored.commit(*sent.messages())

    receipt = stored.commit(make_sequence(pictures=[make_jpeg(7)]).record_message())[KEY]

    assert "conflicting hash" in receipt.refused and not receipt.complete


def test_conflict_leaves_the_stored_sequence_alone(stored, sent, make_sequence, make_jpeg):
    """#2: the stored sequence stays complete; the other is in quarantine."""
    stored.commit(*sent.messages())
    stored.commit(*make_sequence(pictures=[make_jpeg(7)]).messages())

    assert sorted(stored.files().values()) == sorted(sent.pictures) and count(stored, quarantine) == 2


def test_two_traps_may_use_one_id(stored, sent, make_sequence):
    """#1: an id is unique within its trap only."""
    stored.commit(*sent.messages(), *make_sequence(trap="valley").messages())

    assert [row["trap"] for row in listing(stored.database)] == ["ridge", "valley"]


def test_bytes_with_another_hash_are_asked_for_again(stored, sent):
    """#3a: bytes without the record's sha256 are never stored."""
    chunk = sent.chunk_messages(0)[0]
    spoilt = RawMessage(chunk.topic, bytes(len(chunk.payload)), chunk.properties)

    receipt = stored.commit(sent.record_message(), spoilt)[KEY]

    assert (receipt.frames_stored, receipt.missing[0], stored.files()) == ((), MissingFrame(0), {})


def test_frame_that_is_no_jpeg_is_kept_apart_and_receipted(stored, make_sequence):
    """#3b: the trap gets its receipt, the gallery does not show the frame, its bytes are kept."""
    sent = make_sequence(pictures=[b"MZ this is a program"])

    receipt = stored.commit(*sent.messages())[KEY]

    kept = [path.read_bytes() for path in stored.root.glob("quarantine/**/*.jpg")]
    assert (receipt.complete, kept, stored.files()) == (True, sent.pictures, {})


@pytest.mark.parametrize("promised", [False, True], ids=["without records", "of promised frames"])
def test_what_waits_of_one_trap_is_bounded_and_the_oldest_goes(stored, make_sequence, promised):
    """A trap that never completes its frames cannot fill the catalogue, with or without records."""
    stored.store.waiting_bytes = 3 * 4096
    for number in range(8):
        sequence = make_sequence(id=f"{number:06d}")
        chunk = sequence.chunk_messages(0, step=500)[0]
        stored.commit(*([sequence.record_message()] if promised else []), chunk, now=NOW + timedelta(seconds=number))

    with stored.database.reading() as connection:
        assert connection.execute(select(chunks.c.sequence).order_by(chunks.c.sequence)).scalars().all() == [
            "000005", "000006", "000007",
        ]  # fmt: skip
    assert tally(stored, "waiting_dropped") == 5


def test_more_at_once_than_may_wait_is_not_kept(stored, sent):
    """One batch beyond the limit; another trap's chunks stay."""
    stored.commit(replace(sent, trap="valley").chunk_messages(0, step=500)[0])
    stored.store.waiting_bytes = 2 * 4096
    stored.commit(*sent.chunk_messages(0, step=500)[:-1])

    with stored.database.reading() as connection:
        assert set(connection.execute(select(chunks.c.trap)).scalars()) == {"valley"}


def test_chunks_are_deleted_after_a_day_without_record_and_thirty_with_one(stored, sent, make_sequence):
    """The rest of an announced frame may still come; the record of a stray chunk will not."""
    stored.commit(sent.record_message(), sent.chunk_messages(0, step=500)[0])
    stored.commit(make_sequence(id="stray").chunk_messages(0, step=500)[0])
    left = []
    for days in (0.9, 1.1, 31):
        with stored.database.writing() as connection:
            delete_old(connection, NOW + timedelta(days=days))
        left.append(count(stored, chunks))

    assert left == [2, 1, 0]


def test_space_of_what_was_deleted_is_given_back(on_sqlite, make_sequence, monkeypatch):
    """The file of a catalogue shrinks while the collector runs."""
    monkeypatch.setattr("uncia_collector.catalogue.database.KEPT_PAGES", 50)
    picture = bytes(1_000_000)
    for number in range(4):
        on_sqlite.commit(*make_sequence(id=f"{number}", pictures=[picture]).chunk_messages(0)[:-1])
    full = file_size(on_sqlite)
    with on_sqlite.database.writing() as connection:
        delete_old(connection, NOW + timedelta(days=2))
    on_sqlite.database.give_space_back()

    assert full > 3_000_000 > 1_000_000 > file_size(on_sqlite)


def file_size(stored) -> int:
    """The size of the catalogue's file, after its write-ahead log was merged."""
    with stored.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return (stored.root / "catalogue.sqlite").stat().st_size


def tally(stored, name: str) -> int:
    with stored.database.reading() as connection:
        query = select(func.sum(tallies.c["count"])).where(tallies.c.name == name)
        return int(connection.execute(query).scalar_one() or 0)


def test_failed_write_leaves_nothing_committed(stored, sent, monkeypatch):
    """If the folder cannot be written, the catalogue holds nothing of the batch."""
    monkeypatch.setattr(stored.store.folder, "min_free_bytes", 1 << 62)
    with pytest.raises(StorageError, match="bytes free"):
        stored.commit(*sent.messages())

    assert list(listing(stored.database)) == []


def test_garbage_is_counted_per_trap(stored):
    """Garbage is counted for the trap in its topic."""
    stored.commit(RawMessage("uncia/v1/ridge/sequence/x", b"{"), RawMessage("other/topic", b""))

    with stored.database.reading() as connection:
        rows = connection.execute(select(tallies.c.trap, tallies.c.count).where(tallies.c.name == "garbage"))
        assert sorted(map(tuple, rows)) == [("", 1), ("ridge", 1)]


def test_broken_record_is_answered_with_a_refusal(stored):
    """A trap whose record cannot be read gets a receipt that says so, and stops sending it."""
    receipt = stored.commit(RawMessage("uncia/v1/ridge/sequence/000009", b"{"))["ridge", "000009"]

    assert receipt.refused and not receipt.record_stored


def test_listing_paths_lead_to_the_files(stored, sent):
    """`path` is relative to the data folder; `sha256` is that of the file."""
    stored.commit(*sent.messages())

    [row] = listing(stored.database)
    hashes = [hashlib.sha256((stored.root / file["path"]).read_bytes()).hexdigest() for file in row["files"]]
    assert hashes == [file["sha256"] for file in row["files"]] and json.dumps(row)


@pytest.mark.heavy
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_any_batches_and_repeats_end_the_same(stored, make_sequence, make_jpeg, data):
    """Chunks in any order, repeated, in any two sizes and any batches give the same files, each once."""
    number = data.draw(st.integers(0, 1_000_000), label="id")
    sent = make_sequence(id=f"s{number}", pictures=[make_jpeg(number), make_jpeg(number + 1)])
    steps = data.draw(st.tuples(st.integers(300, 2000), st.integers(300, 2000)), label="chunk sizes")
    messages = data.draw(st.permutations([*sent.messages(steps[0]), *sent.messages(steps[1])]), label="order")
    batch = data.draw(st.integers(1, len(messages)), label="batch")

    for at in range(0, len(messages), batch):
        stored.commit(*messages[at : at + batch])

    [row] = [row for row in listing(stored.database) if row["id"] == sent.id]
    assert [(stored.root / file["path"]).read_bytes() for file in row["files"]] == sent.pictures and row["complete"]
