"""Sightings by hour, week and trap: the counts equal those of counting one by one."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, text

from uncia_collector.catalogue.events.settling import set_independence
from uncia_collector.catalogue.events.starts import pack
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import events, sequences
from uncia_collector.catalogue.sightings import count_sightings

SINCE = datetime(2026, 1, 1, 10, 17, 31, tzinfo=UTC)
ZONES = ["UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]


def fill(stored, sent, times: list[datetime]) -> None:
    """Store one positive sequence at each time, of two traps in turn."""
    stored.commit(sent.record_message())
    with stored.database.writing() as connection:
        kept = [column for column in sequences.c if not column.computed]
        row = dict(connection.execute(select(*kept)).mappings().one())
        rows = [
            row | {"id": f"s{n}", "trap": f"trap{n % 2}", "started_at": time, "ended_at": time}
            for n, time in enumerate(times)
        ]
        connection.execute(sequences.delete())
        connection.execute(insert(sequences), rows)


@pytest.mark.parametrize("name", ZONES)
def test_sightings_count_in_their_local_hour_and_week(stored, sent, name):
    """In zones with half hours and with summer time."""
    zone = ZoneInfo(name)
    times = [SINCE + timedelta(minutes=37 * n, microseconds=n) for n in range(2000)]
    times += [datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC) + timedelta(seconds=n) for n in range(3)]
    times += [datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(12)]
    fill(stored, sent, times)
    with stored.database.writing() as connection:
        set_independence(connection, 0)  # each sequence is an event of its own
    with stored.database.reading() as connection:
        found = count_sightings(connection, SINCE, zone, until=datetime(2026, 12, 1, tzinfo=UTC))

    local = [time.astimezone(zone) for time in times]
    assert found.by_hour == [sum(time.hour == hour for time in local) for hour in range(24)]
    weeks = Counter(
        (f"trap{n % 2}", time.date() - timedelta(days=time.weekday())) for n, time in enumerate(local)
    )  # fmt: skip
    assert found.by_week == weeks
    assert found.by_trap == Counter({"trap0": (len(times) + 1) // 2, "trap1": len(times) // 2})


def test_one_trap_is_counted_alone(stored, sent):
    """Sightings before `since` are not counted."""
    fill(stored, sent, [SINCE + timedelta(hours=n) for n in range(-5, 5)])
    with stored.database.reading() as connection:
        found = count_sightings(connection, SINCE, UTC, "trap1", SINCE + timedelta(days=1))

    assert (sum(found.by_hour), dict(found.by_trap)) == (3, {"trap1": 3})


def test_a_sighting_is_positive_and_not_rejected(stored, make_sequence):
    """Positive and open or confirmed; a confirmed audit counts, a relabelled sequence does not."""
    now = datetime(2026, 11, 23, 6, tzinfo=UTC)
    for number, verdict in enumerate(("", "confirmed", "rejected", "relabelled")):
        for positive in (True, False):
            started_at = now - timedelta(hours=2 * number + positive)
            sequence = make_sequence(
                id=f"{number}{positive}", positive=positive, audit=not positive, started_at=started_at
            )
            stored.commit(sequence.record_message())
            if verdict:
                review(stored.database, ("ridge", sequence.id), verdict, "a", now, "wolf")
    with stored.database.reading() as connection:
        found = count_sightings(connection, SINCE, UTC)

    assert sum(found.by_hour) == 3


@pytest.mark.heavy
def test_no_limit_cuts_the_counts(on_sqlite, sent):
    """More than 200,000 sightings are all counted (an earlier limit of that number cut them silently)."""
    fill(on_sqlite, sent, [SINCE])
    names = [column.name for column in events.c]
    copied = ", ".join("'c' || i" if name == "first" else name for name in names)
    with on_sqlite.database.writing() as connection:
        connection.execute(text(
            f"INSERT INTO events ({', '.join(names)}) WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
            f"FROM numbers WHERE i < 200000) SELECT {copied} FROM events, numbers"
        ))  # fmt: skip
        pack(connection, "trap0", SINCE, SINCE)
        found = count_sightings(connection, SINCE, UTC)

    assert (sum(found.by_hour), found.by_trap["trap0"]) == (200_001, 200_001)
