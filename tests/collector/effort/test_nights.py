"""Nights of traps: their kind from the hours in which the trap was heard."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace
from sqlalchemy import func, insert, select

from uncia_collector.catalogue.schema import deployments, health, health_days, traps
from uncia_collector.effort.hours import KEPT, note_listening
from uncia_collector.effort.nights import KINDS, Site, kind_of, nights_of
from uncia_collector.effort.rates import effort
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, encode
from uncia_contract.messages.topics import Topics

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)  # of the history: a noon
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT = date(2026, 11, 2)
STATE = TrapState(
    trap="ridge", bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="cpu", software="uncia", boot_id="x",
    uptime_s=0.0, sent_at=BEGAN, clock_synchronised=True, disk_free_bytes=1, outbox_sequences=0, outbox_bytes=0,
    outbox_age_s=0.0, counters=Counters(),
)  # fmt: skip


def listen(stored, days: float, start: datetime = BEGAN) -> None:
    """Note that the station listened for these hours."""
    with stored.database.writing() as connection:
        for hour in range(int(days * 24)):
            note_listening(connection, start + hour * HOUR)


def hear(stored, at: datetime, availability: str = "", retained: bool = False, **fields) -> None:
    """Store a state or an availability message of the trap `ridge`."""
    if availability:
        message = RawMessage(Topics("ridge").availability, availability.encode(), retained=retained)
    else:
        message = RawMessage(Topics("ridge").state, encode(replace(STATE, **fields)), retained=retained)
    stored.commit(message, now=at)


def kinds(stored, first: date = NIGHT - DAY, last: date = NIGHT + 5 * DAY, zone=UTC, now=BEGAN + 30 * DAY) -> str:
    """The first letter of each night's kind."""
    site = Site("ridge", "ridge", datetime(2026, 1, 1, tzinfo=UTC), None)
    with stored.database.reading() as connection:
        found = nights_of(connection, [site], first, last, now, zone)
    return "".join(kind[0] for _, kind in sorted(found[site].items()))


@pytest.mark.parametrize(
    ("hours", "kind"),
    [
        ({"awake": 24}, "worked"), ({"awake": 12, "asleep": 12}, "worked"), ({"asleep": 24}, "asleep"),
        ({"awake": 2, "asleep": 12, "silent": 10}, "silent"), ({"awake": 12, "silent": 12}, "worked"),
        ({"ran": 24}, "worked"), ({"blind": 20, "awake": 4}, "silent"), ({"silent": 24}, "silent"),
        ({"unknown": 24}, "unknown"), ({"unknown": 13, "awake": 11}, "unknown"),
        ({"unknown": 11, "awake": 13}, "worked"),
        ({"asleep": 20, "unknown": 4}, "unknown"),
    ],
    ids=str,
)  # fmt: skip
def test_a_nights_kind_is_that_of_its_hours(hours, kind):
    """Rules #3 and #4 of `effort.nights`."""
    counted = Counter(hours)
    looked, not_looked = counted["awake"] + counted["ran"], counted["blind"] + counted["silent"]
    assert kind_of(*(np.array([count]) for count in (looked, not_looked, counted["unknown"]))).tolist() == [kind]


def test_a_night_is_worked_silent_or_unknown(stored):
    """One night before the history (unknown), two with messages, one silent, one with the station off (unknown)."""
    listen(stored, 3)
    for hour in range(48):
        hear(stored, BEGAN + hour * HOUR + HOUR / 2)
    assert kinds(stored, NIGHT - 2 * DAY, NIGHT + 2 * DAY) == "uwwsu"


def test_a_retained_message_and_a_will_are_no_signs_of_life(stored):
    """A message that the broker had kept, and its last-will message, do not show that the trap is on."""
    listen(stored, 1)
    hear(stored, BEGAN, retained=True)
    hear(stored, BEGAN + HOUR, "offline")
    with stored.database.reading() as connection:
        assert connection.execute(select(func.count()).where(health.c.trap == "ridge")).scalar_one() == 0


def test_a_trap_that_was_out_of_reach_and_ran_on_has_worked(stored):
    """The machine's uptime shows it, within the hourly history."""
    listen(stored, 6)
    hear(stored, BEGAN)
    hear(stored, BEGAN + 5 * DAY, uptime_s=2 * 86400 + 60.0)
    assert kinds(stored, NIGHT - DAY, NIGHT + 3 * DAY) == "sssww"


def test_no_night_before_the_history_has_worked(stored, make_sequence):
    """Uptime and sequences of earlier nights do not change this."""
    listen(stored, 1)
    hear(stored, BEGAN + HOUR, uptime_s=90 * 86400.0)
    stored.commit(make_sequence(started_at=BEGAN - DAY).record_message(), now=BEGAN + 2 * HOUR)
    assert set(kinds(stored, NIGHT - 40 * DAY, NIGHT - 2 * DAY)) == {"u"}
    with stored.database.reading() as connection:
        assert connection.execute(select(func.min(health.c.hour))).scalar_one().astimezone(UTC) == BEGAN


def test_announced_sleep_differs_from_silence(stored):
    """Asleep by day and awake by night: worked. Asleep for a day: asleep. Asleep and never heard again: silent."""
    listen(stored, 6)
    for day in (0, 1):
        hear(stored, BEGAN + day * DAY, "sleeping")
        for hour in range(7, 20):
            hear(stored, BEGAN + day * DAY + hour * HOUR)
    hear(stored, BEGAN + 2 * DAY, "sleeping")
    hear(stored, BEGAN + 5 * DAY)
    assert kinds(stored, NIGHT - DAY, NIGHT + 3 * DAY) == "wwass"


def test_a_trap_is_asleep_between_announced_passes(stored):
    """Passes every three days; a trap that misses a pass is silent from then on."""
    listen(stored, 9)
    for day in (0, 3):
        at = BEGAN + day * DAY
        hear(stored, at, sent_at=at, next_pass_at=at + 3 * DAY)
        hear(stored, at + HOUR / 10, "sleeping")
    hear(stored, BEGAN + 9 * DAY)
    assert kinds(stored, NIGHT - DAY, NIGHT + 7 * DAY) == "waawaasss"


def test_a_trap_without_its_camera_has_not_worked(stored):
    """Messages come all night and say that the camera is absent."""
    listen(stored, 1)
    for hour in range(24):
        hear(stored, BEGAN + hour * HOUR, degraded=("no camera: /media/card: away",))
    assert kinds(stored, NIGHT - DAY, NIGHT - DAY) == "s"


def test_a_sequence_of_a_silent_night_shows_that_it_worked(stored, make_sequence):
    """The sequence came days later; the hours of its night count."""
    listen(stored, 3)
    for hour in range(24, 48, 2):
        one = make_sequence(id=f"s{hour}", started_at=BEGAN + hour * HOUR)
        stored.commit(one.record_message(), now=BEGAN + 3 * DAY)
    assert kinds(stored, NIGHT, NIGHT) == "w"


@pytest.mark.parametrize("name", ["Asia/Kathmandu", "Europe/Berlin", "America/St_Johns"])
def test_nights_are_in_station_time(stored, name):
    """From noon to noon in the station's zone, also when summer time ends."""
    zone = ZoneInfo(name)
    began = datetime(2026, 10, 20, 12, tzinfo=zone).astimezone(UTC).replace(minute=0)
    listen(stored, 14, began)
    start, end = (datetime(2026, *day, 12, tzinfo=zone).astimezone(UTC) for day in ((10, 24), (10, 27)))
    at = start
    while at < end:
        hear(stored, at)
        at += HOUR
    assert kinds(stored, date(2026, 10, 22), date(2026, 10, 28), zone) == "sswwwss"


def test_partial_and_unfinished_nights_do_not_count(stored):
    """#1: a night must be over and lie completely in a deployment."""
    site = Site("a", "ridge", BEGAN + HOUR, BEGAN + 3 * DAY)
    assert site.nights(NIGHT - 9 * DAY, NIGHT + 9 * DAY, UTC) == [NIGHT, NIGHT + DAY]
    assert kinds(stored, NIGHT, NIGHT + 9 * DAY, now=BEGAN + 3 * DAY) == "uu"


def test_the_history_is_bounded(stored):
    """Two years of hours are kept, of each trap and of the station; an hour has one row."""
    for year in range(4):
        for hour in (0, 0, 1):
            at = BEGAN + year * 365 * DAY + hour * HOUR
            listen(stored, 1 / 24, at)
            hear(stored, at)
    with stored.database.reading() as connection:
        rows = connection.execute(select(health.c.trap, health.c.hour)).all()
        days = connection.execute(select(health_days.c.day)).scalars().all()
    assert min(days) >= f"{BEGAN + 3 * 365 * DAY - KEPT:%Y-%m-%d}" and len(days) == 6
    assert len(rows) == len(set(rows)) == 2 * 2 * 3 and min(row.hour for row in rows) >= BEGAN + 3 * 365 * DAY - KEPT


def test_sightings_count_in_the_nights_in_which_the_trap_worked(stored, make_sequence):
    """Sightings in other nights are counted apart from the rate; an animal that stays is one sighting."""
    listen(stored, 2)
    for hour in range(24):
        hear(stored, BEGAN + hour * HOUR)
    for minutes in (60, 80, 100, 600, 24 * 60 + 60):
        one = make_sequence(id=f"s{minutes}", started_at=BEGAN + timedelta(minutes=minutes))
        stored.commit(one.record_message(), now=BEGAN + 40 * HOUR)
    with stored.database.writing() as connection:
        connection.execute(traps.update().values(first_seen_at=BEGAN - DAY))
    with stored.database.reading() as connection:
        found = effort(connection, NIGHT - DAY, NIGHT, BEGAN + 9 * DAY, UTC)
    ridge, total = found.by_trap()
    assert (ridge.sightings, ridge.outside, ridge.rate) == (2, 1, 200.0) and total.nights == ridge.nights
    assert [ridge.nights[kind] for kind in KINDS] == [1, 0, 1, 0]
    assert ridge.interval == pytest.approx((24.22, 722.47), abs=0.01)


def test_an_imported_surveys_deployments_are_not_the_stations(stored):
    """They give no nights: nobody knows when their cameras worked."""
    row = {"id": "x", "trap": "x", "location_id": "x", "latitude": 1.0, "longitude": 1.0, "started_at": BEGAN}
    with stored.database.writing() as connection:
        connection.execute(insert(deployments), [row | {"origin": "survey"}])
    with stored.database.reading() as connection:
        assert effort(connection, NIGHT, NIGHT, BEGAN + 9 * DAY, UTC).nights == {}
