"""Delivery's states: each event changes a sequence's state as in the diagram; no link, disk or clock is needed."""

from dataclasses import replace

import pytest

from support.records import make_record
from uncia_contract.messages.records import ByteRange, MissingFrame, Receipt
from uncia_edge.delivery.link_state import InFlight, LinkState, Pace, Piece, Room
from uncia_edge.delivery.state_machine import ActiveTransfers
from uncia_edge.outbox.sequence_table import Waiting

ROOM = Room(items=16, bytes=1000, chunk_bytes=10, payload_bytes=1000, oldest_s=None)
PACE = Pace(receipt_timeout_s=20.0, sending=1)


def waiting(sequence: str = "s1", *sizes: int) -> Waiting:
    """A sequence in the outbox of which the collector has nothing."""
    record = make_record(sequence, [b"x" * size for size in sizes or (25,)])
    return Waiting(record, 0, frozenset(), frozenset(), 0)


def names(pieces: list[Piece]) -> list[tuple[str, int | None, int, int]]:
    """The pieces that were taken, in a form that can be compared."""
    return [(piece.record.id, piece.frame, piece.start, piece.end) for piece in pieces]


@pytest.fixture
def transfers() -> ActiveTransfers:
    """One sequence of 25 bytes, whose record was published and acknowledged at 0 s."""
    transfers = ActiveTransfers(PACE)
    transfers.take_up([waiting()])
    [record] = transfers.next_pieces(ROOM, 0.0, None)
    transfers.acknowledged([InFlight(record, 1, 0.0)], 0.0)
    return transfers


def test_after_the_receipt_the_missing_chunks_are_sent(transfers: ActiveTransfers) -> None:
    """ASKED to FRAMES."""
    transfers.receipt(Receipt("s1", True, (), (MissingFrame(0, (ByteRange(5, 25),)),)), False, 1.0)
    assert names(transfers.next_pieces(ROOM, 1.0, None)) == [("s1", 0, 5, 15), ("s1", 0, 15, 25)]


def test_without_a_receipt_the_record_is_sent_again(transfers: ActiveTransfers) -> None:
    """ASKED to RECORD, after 20 s."""
    assert transfers.next_pieces(ROOM, 19.0, None) == []
    assert names(transfers.next_pieces(ROOM, 20.0, None)) == [("s1", None, 0, 0)]


def test_the_last_acknowledged_chunk_starts_the_wait_for_the_receipt(transfers: ActiveTransfers) -> None:
    """FRAMES to SENT, and then to RECORD."""
    transfers.receipt(Receipt("s1", True, (), (MissingFrame(0),)), False, 1.0)
    for piece in transfers.next_pieces(ROOM, 1.0, None):
        transfers.acknowledged([InFlight(piece, 1, 0.0)], 2.0)
    assert transfers.next_deadline_s(2.0) == 22.0
    assert names(transfers.next_pieces(ROOM, 22.0, None)) == [("s1", None, 0, 0)]


def test_chunks_that_may_be_lost_are_sent_again_in_order(transfers: ActiveTransfers) -> None:
    """The state stays FRAMES; adjacent ranges are joined, so that the new chunks may have another size."""
    transfers.receipt(Receipt("s1", True, (), (MissingFrame(0),)), False, 1.0)
    transfers.returned(transfers.next_pieces(ROOM, 1.0, None)[::-1])
    assert names(transfers.next_pieces(replace(ROOM, chunk_bytes=25), 1.0, None)) == [("s1", 0, 0, 25)]


def test_frames_stop_where_the_budget_ends(transfers: ActiveTransfers) -> None:
    """The last chunk may exceed it; records are still sent."""
    transfers.receipt(Receipt("s1", True, (), (MissingFrame(0),)), False, 1.0)
    transfers.take_up([waiting("s2")])
    assert names(transfers.next_pieces(ROOM, 1.0, 15)) == [("s2", None, 0, 0), ("s1", 0, 0, 10), ("s1", 0, 10, 20)]


def test_a_settled_sequence_is_removed(transfers: ActiveTransfers) -> None:
    """From any state."""
    assert transfers.receipt(Receipt("s1", True, (0,)), True, 1.0)
    assert list(transfers.ids) == []


def test_a_lost_connection_gives_unanswered_records_back_to_the_outbox() -> None:
    """When the connection ends in RECORD."""
    transfers = ActiveTransfers(PACE)
    transfers.take_up([waiting()])
    transfers.disconnected(transfers.next_pieces(ROOM, 0.0, None), None)
    assert list(transfers.ids) == []


def test_a_suspect_is_sent_last_and_alone() -> None:
    """Rule #1 of poison detection."""
    transfers = ActiveTransfers(PACE)
    transfers.take_up([waiting("s1")])
    transfers.disconnected(transfers.next_pieces(ROOM, 0.0, None), None)
    transfers.take_up([waiting("s1"), waiting("s2")])
    assert names(transfers.next_pieces(ROOM, 1.0, None)) == [("s2", None, 0, 0)]


def test_one_pause_at_a_time() -> None:
    """Several such answers of the broker cause one pause."""
    state = LinkState(PACE, 0.0)
    assert state.begin_to_connect(0.0)
    state.connected(1.0)
    assert state.troubled(2.0) is not None
    assert state.troubled(2.1) is None
