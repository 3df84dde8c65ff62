"""The audit sample: random rejected sequences, at most the budget a day, the same ones after a restart."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from support.records import make_record, write_frames
from uncia_contract.messages.records import Receipt
from uncia_edge.outbox.audit_sample import Audits
from uncia_edge.outbox.store import Outbox


class Day:
    """A day whose number the test sets."""

    number = 0


class World:
    """An outbox with audits, and rejected sequences for them."""

    def __init__(self, folder: Path, per_day: int) -> None:
        self.folder, self.per_day, self.day = folder, per_day, Day()
        self.files = write_frames(folder / "card", [b"x" * 100, b"y" * 100])
        self.names = (f"n-{n:05d}" for n in itertools.count())
        self.open()

    def open(self) -> None:
        self.outbox = Outbox(self.folder / "outbox")
        self.audits = Audits(self.outbox, self.per_day, self.day)

    def reject(self, count: int) -> None:
        for sequence in itertools.islice(self.names, count):
            record = make_record(sequence, [b"x" * 100, b"y" * 100], scores=(0.1, 0.2), positive=False)
            self.audits.consider(record, self.files)

    def sendable(self) -> list[str]:
        return [item.record.id for item in self.outbox.next(100)]


def test_never_more_than_the_budget_are_sent_a_day(tmp_path: Path) -> None:
    """Three of forty are sent after their day, marked as audits; nothing of the others stays on the card."""
    world = World(tmp_path, per_day=3)
    world.reject(40)
    assert (world.sendable(), len(world.outbox.queries.deferred())) == ([], 3)
    world.day.number = 1
    world.audits.end_day_if_over()
    items = world.outbox.next(100)
    assert [(item.record.audit, item.record.positive) for item in items] == [(True, False)] * 3
    assert len(list((tmp_path / "outbox" / "frames").rglob("*.jpg"))) == 6
    assert world.outbox.counters().drops == 0


def test_a_restart_does_not_change_the_sample(tmp_path: Path) -> None:
    """With a restart after every burst the same three are sampled as without."""
    steady, shaky = World(tmp_path / "a", 3), World(tmp_path / "b", 3)
    steady.reject(20)
    for _ in range(20):
        shaky.reject(1)
        shaky.outbox.close()
        shaky.open()
    assert shaky.outbox.queries.deferred() == steady.outbox.queries.deferred()


def test_a_restart_on_the_same_day_gives_no_second_budget(tmp_path: Path) -> None:
    """The sampled sequences are still held: the day counts, not the process."""
    world = World(tmp_path, per_day=2)
    world.day.number = 4
    world.reject(10)
    world.outbox.close()
    world.open()
    world.reject(10)
    assert (world.sendable(), len(world.outbox.queries.deferred())) == ([], 2)


@pytest.mark.heavy
def test_every_sequence_of_a_day_has_the_same_chance(tmp_path: Path) -> None:
    """Over 60 days of ten rejected sequences, each position in the day is sampled about 12 times."""
    world, drawn = World(tmp_path, per_day=2), Counter[int]()
    for day in range(60):
        world.day.number = day
        world.reject(10)
        drawn.update(int(sequence[2:]) % 10 for sequence in world.outbox.queries.deferred())
        world.outbox._database.change("DELETE FROM sequence")
    assert len(drawn) == 10
    assert all(3 <= count <= 24 for count in drawn.values()), drawn


@pytest.mark.parametrize("per_day", [0, 5])
def test_without_a_budget_nothing_is_kept(tmp_path: Path, per_day: int) -> None:
    """By default the trap sends only positive sequences."""
    world = World(tmp_path, per_day)
    world.reject(5)
    assert len(world.outbox.queries.deferred()) == per_day


def test_an_audit_is_delivered_like_any_other(tmp_path: Path) -> None:
    """A receipt removes it."""
    world = World(tmp_path, per_day=1)
    world.reject(3)
    world.audits.release()
    [sequence] = world.sendable()
    world.outbox.apply(Receipt(sequence, True, (0, 1)))
    assert world.outbox.queries.is_delivered(sequence)


def test_positive_sequences_go_before_audits(tmp_path: Path) -> None:
    """Within one stage."""
    world = World(tmp_path, per_day=1)
    world.reject(1)
    world.audits.release()
    world.outbox.add(make_record("sighting", [b"x" * 100, b"y" * 100]), world.files)
    assert world.sendable()[0] == "sighting"


def test_an_audit_rebuilt_from_its_files_is_still_held(tmp_path: Path) -> None:
    """After the table was lost, it still waits for the end of the day."""
    world = World(tmp_path, per_day=1)
    world.reject(1)
    world.outbox.close()
    (tmp_path / "outbox" / "outbox.db").unlink()
    world.open()
    assert (world.outbox.queries.deferred(), world.sendable()) == (["n-00000"], [])
