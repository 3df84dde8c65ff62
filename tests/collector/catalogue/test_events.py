"""Events: after any writes, the table equals the grouping of all sequences at once."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.events.finding import event_of
from uncia_collector.catalogue.events.grouping import events_of, shown
from uncia_collector.catalogue.events.settling import independence, set_independence
from uncia_collector.catalogue.events.starts import micros, starts
from uncia_collector.catalogue.review import review, undo
from uncia_collector.catalogue.schema import events, sequences
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import parse_message

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def told(connection) -> list[tuple]:
    """All events in the table."""
    return sorted(tuple(row) for row in connection.execute(select(events)))


def packed(connection) -> dict[tuple[str, str], list[int]]:
    """The starts of sightings and of wolves, from the packed months."""
    ever = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
    found = starts(connection, *ever) | starts(connection, *ever, "wolf")
    return {key: part.tolist() for key, part in found.items() if len(part)}


def unpacked(connection) -> dict[tuple[str, str], list[int]]:
    """The same starts, from the table of events."""
    found: dict[tuple[str, str], list[int]] = {}
    for event in sorted(connection.execute(select(events)), key=lambda event: event.started_at):
        if event.sighting or event.label == "wolf":
            found.setdefault((event.trap, event.label), []).append(micros(event.started_at))
    return found


def grouped(connection) -> list[tuple]:
    """All events, grouped from all sequences at once."""
    rows = connection.execute(select(sequences).order_by(sequences.c.started_at, sequences.c.id)).all()
    found = []
    for trap in {row.trap for row in rows}:
        for event in events_of((shown(row) for row in rows if row.trap == trap), independence(connection)):
            span = (event.started_at, event.ended_at, event.sequences, event.camera)
            found.append((trap, event.first, event.label, event.sighting, *span))
    return sorted(found)


def commit(stored, make_sequence, *starts: float, **fields) -> list[str]:
    """Store a sequence at each of these minutes; return their ids."""
    ids = [f"s{start:g}".replace(".", "_") for start in starts]
    for known, start in zip(ids, starts, strict=True):
        stored.commit(make_sequence(id=known, started_at=NOW + minutes(start), **fields).record_message())
    return ids


def test_an_animal_that_stays_is_one_event(stored, make_sequence):
    """Each sequence begins less than half an hour after the end of the one before; a later visit is another event."""
    commit(stored, make_sequence, 0, 25, 50, 75, 110)
    with stored.database.reading() as connection:
        found = connection.execute(select(events.c.first, events.c.sequences).order_by(events.c.started_at)).all()
    assert [tuple(row) for row in found] == [("s0", 4), ("s110", 1)]


def test_blanks_join_no_visits(stored, make_sequence):
    """Sequences without an animal between two visits do not join them, nor do those of another trap."""
    commit(stored, make_sequence, 0, 50)
    commit(stored, make_sequence, 25, positive=False, audit=True)
    commit(stored, make_sequence, 26, trap="valley")
    with stored.database.reading() as connection:
        found = connection.execute(select(events.c.first).where(events.c.sighting, events.c.trap == "ridge"))
        assert sorted(found.scalars()) == ["s0", "s50"]


def test_a_rejected_link_splits_an_event_and_undo_joins_it(stored, make_sequence):
    """The middle sequence of three is rejected: two events. After undo: one event."""
    commit(stored, make_sequence, 0, 25, 50)
    counts = []
    for change in (lambda: review(stored.database, ("ridge", "s25"), "rejected", "a", NOW), lambda: undo(
        stored.database, "a")):  # fmt: skip
        change()
        with stored.database.reading() as connection:
            counts.append(sum(event[3] for event in told(connection)))
    assert counts == [2, 1]


@pytest.mark.parametrize("seed", range(4))
def test_any_writes_leave_what_grouping_at_once_gives(stored, make_sequence, seed):
    """Sequences that come late, early or twice, are reviewed, taken back, moved and removed, in any order."""
    dice = random.Random(seed)
    ids = [f"s{n}" for n in range(40)]
    for known in dice.sample(ids, 40):
        fields = {"positive": dice.random() < 0.7, "label": dice.choice(["snow_leopard", "prey"])}
        at, trap = NOW + timedelta(days=7.5) + minutes(dice.randrange(600)), dice.choice(["ridge", "valley"])
        stored.commit(make_sequence(id=known, trap=trap, started_at=at, **fields).record_message())
        with stored.database.reading() as connection:
            one = connection.execute(select(sequences.c.trap, sequences.c.id)).all()
        key = tuple(dice.choice(one))
        match dice.randrange(5):
            case 0:
                review(stored.database, key, dice.choice(["confirmed", "rejected"]), "a", NOW)
            case 1:
                review(stored.database, key, "relabelled", "a", NOW, dice.choice(["wolf", "prey"]))
            case 2:
                undo(stored.database, "a")
            case 3:
                moved = {"started_at": NOW + timedelta(days=7.5) + minutes(dice.randrange(600))}
                where = sequences.c.trap == key[0], sequences.c.id == key[1]
                with stored.database.writing() as connection:
                    connection.execute(update(sequences).where(*where).values(moved))
            case 4 if len(one) > 10:
                with stored.database.writing() as connection:
                    connection.execute(delete(sequences).where(sequences.c.trap == key[0], sequences.c.id == key[1]))
        with stored.database.reading() as connection:
            assert told(connection) == grouped(connection)
            assert packed(connection) == unpacked(connection)


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_joins_existing_events(stored, make_sequence, seed):
    """Many sequences at once, of two traps, before, within and after events: the same result as one by one."""
    dice = random.Random(seed)
    for batch in range(6):
        sent = [
            make_sequence(
                id=f"b{batch}-{n}", trap=dice.choice(["ridge", "valley"]), positive=dice.random() < 0.8,
                started_at=NOW + timedelta(days=7.5) + minutes(dice.randrange(1500)),
            )
            for n in range(25)
        ]  # fmt: skip
        stored.commit(*(sequence.record_message() for sequence in sent))
        with stored.database.writing() as connection:
            long = sequences.c.id.in_([f"b{batch}-{n}" for n in range(3)])
            connection.execute(update(sequences).where(long).values(ended_at=NOW + timedelta(days=9)))
        with stored.database.reading() as connection:
            assert told(connection) == grouped(connection)
            assert packed(connection) == unpacked(connection)


def test_another_interval_groups_all_sequences_again(stored, make_sequence):
    """`set_independence` returns whether the interval changed."""
    commit(stored, make_sequence, 0, 25, 50)
    counts = []
    for interval in (30, 10, 0, 30):
        with stored.database.writing() as connection:
            changed = set_independence(connection, interval)
        with stored.database.reading() as connection:
            assert told(connection) == grouped(connection)
            assert packed(connection) == unpacked(connection)
            counts.append((changed, len(told(connection))))
    assert counts == [(False, 1), (True, 3), (True, 3), (True, 1)]


def test_a_wrong_end_joins_no_months(stored, make_sequence):
    """A sequence counts as one interval long at most, because a clock may jump within a burst."""
    commit(stored, make_sequence, 0, 100)
    with stored.database.writing() as connection:
        connection.execute(update(sequences).where(sequences.c.id == "s0").values(ended_at=NOW + timedelta(days=900)))
    with stored.database.reading() as connection:
        assert len(told(connection)) == 2


def test_each_sequence_finds_its_event(stored, make_sequence):
    """Also if the event began long before the given sequences."""
    commit(stored, make_sequence, *range(0, 200, 20))
    commit(stored, make_sequence, 95, positive=False)
    with stored.database.reading() as connection:
        asked = connection.execute(select(sequences).where(sequences.c.started_at > NOW + minutes(90))).all()
        found = {known: (event.first, event.sequences) for (_, known), event in event_of(connection, asked).items()}
    assert found == {"s95": ("s95", 1)} | dict.fromkeys(["s100", "s120", "s140", "s160", "s180"], ("s0", 10))


def test_sequences_that_lie_years_apart_find_theirs(stored, make_sequence):
    """In any order of the given sequences."""
    year = 365 * 24 * 60
    commit(stored, make_sequence, 0, 20, year, year + 20, year + 40)
    with stored.database.reading() as connection:
        asked = connection.execute(select(sequences).order_by(sequences.c.started_at.desc())).all()
        found = {known: (event.first, event.sequences) for (_, known), event in event_of(connection, asked).items()}
    last = (f"s{year}", 3)
    assert found == {"s0": ("s0", 2), "s20": ("s0", 2)} | {f"s{year + n}": last for n in (0, 20, 40)}


@pytest.mark.heavy
def test_two_collectors_at_once_make_one_event(postgresql, tmp_path, make_sequence):
    """Sequences of one trap come through two collectors; it does not matter which commits first."""
    url = postgresql.new_catalogue()

    def collect(numbers: range) -> None:
        database = Database(url)
        store = Store(database, FrameFolder(tmp_path))
        for number in numbers:
            sequence = make_sequence(id=f"s{number:03}", started_at=NOW + minutes(number))
            store.commit([parse_message(sequence.record_message())], NOW)
        database.close()

    threads = [threading.Thread(target=collect, args=(range(first, 60, 2),)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = Database(url)
    with database.reading() as connection:
        assert told(connection) == grouped(connection) and len(told(connection)) == 1
    database.close()
    postgresql.give_back(url)
