"""A full card: what is deleted, in which order, and what stays."""

from pathlib import Path

import pytest

from support.records import make_record, write_frames
from uncia_contract.messages.records import MissingFrame, Receipt
from uncia_edge.outbox.retention import Bounds, Pressure
from uncia_edge.outbox.store import Outbox

CONTENTS = [b"a" * 100, b"b" * 100, b"c" * 100]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """Three sequences: a rejected one, one whose best frame (2) is sent, and one that is wholly unsent."""
    outbox = Outbox(tmp_path / "outbox")
    for name, positive in (("unsent", True), ("half", True), ("audit", False)):
        record = make_record(name, CONTENTS, scores=[0.5, 0.6, 0.9], positive=positive)
        outbox.add(record, write_frames(tmp_path / name, CONTENTS))
    outbox.apply(Receipt("half", True, (2,), (MissingFrame(0), MissingFrame(1))))
    return outbox


def relieved(outbox: Outbox, quota: int) -> Outbox:
    Pressure(outbox, Bounds(quota, 0, 0)).relieve()
    return outbox


def test_nothing_goes_while_there_is_room(outbox: Outbox) -> None:
    """900 bytes of frames with a quota of 900."""
    assert relieved(outbox, 900).depth().bytes == 900


def test_files_that_the_collector_has_go_first(outbox: Outbox) -> None:
    """Nothing is lost, so nothing is counted as dropped."""
    relieved(outbox, 800)
    assert not outbox.frame_path("half", 2).exists()
    assert outbox.counters().drops == 0


def test_rejected_sequences_go_next(outbox: Outbox) -> None:
    """One sequence is dropped; the positive ones keep their unsent frames."""
    relieved(outbox, 500)
    assert outbox.queries.waiting() == ["unsent", "half"]
    assert outbox.counters().drops == 1


def test_then_other_frames_of_sequences_whose_best_frame_is_sent(outbox: Outbox) -> None:
    """Two frames are dropped; the record stays until its receipt."""
    relieved(outbox, 300)
    assert outbox.counters().drops == 3
    assert outbox.next(2)[1].unsent == []


def test_an_unsent_positive_never_goes(outbox: Outbox) -> None:
    """Whatever the quota says."""
    relieved(outbox, 0)
    assert outbox.depth().bytes == 300
    assert all(outbox.frame_path("unsent", n).exists() for n in range(3))


def test_a_floor_of_free_space_is_kept(outbox: Outbox) -> None:
    """Free space counts as well as the quota."""
    Pressure(outbox, Bounds(10**9, 1000, 0), lambda: 1000 - outbox.depth().bytes + 300).relieve()
    assert outbox.depth().bytes == 300


def test_ballast_is_kept_while_there_is_room_and_given_up_at_once(outbox: Outbox) -> None:
    """The file has real blocks; it is not sparse."""
    pressure = Pressure(outbox, Bounds(10**9, 0, 65536))
    pressure.relieve()
    assert pressure.ballast.stat().st_blocks * 512 >= 65536
    assert pressure.give_up_ballast()
    assert not pressure.ballast.exists()


def test_drops_are_known_after_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    """Marks and totals are in the database."""
    relieved(outbox, 0)
    outbox.close()
    assert Outbox(tmp_path / "outbox").counters().drops == 3
