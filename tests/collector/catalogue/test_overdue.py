"""When a trap is overdue: by its own usual silences, planned sleeps counted apart."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.overdue import FIRST_LIMIT_S, limit_s, silence
from uncia_collector.catalogue.schema import traps
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, encode

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
AVAILABILITY = "uncia/v1/ridge/availability"


def test_rhythm_is_learned_from_the_traps_own_silences():
    """#1: a trap heard hourly is overdue after hours, one heard weekly after weeks."""
    assert limit_s([3600.0] * 9) < 8000 and limit_s([604_800.0] * 9) > 700_000


def test_new_trap_has_a_day_and_two_hours():
    """#2: with few known silences, 26 hours are usual."""
    assert limit_s([60.0] * 4) == FIRST_LIMIT_S


@pytest.fixture
def nightly(stored):
    """A trap that sends every ten minutes by night and sleeps by day, for a week; gives its last sleep's beginning."""
    for night in range(7):
        awake = NOON + timedelta(days=night, hours=6)
        for contact in range(72):
            word = b"sleeping" if contact == 71 else b"online"
            asleep = awake + timedelta(minutes=10 * contact)
            stored.commit(RawMessage(AVAILABILITY, word), now=asleep)
    return stored, asleep


@pytest.mark.parametrize(("hours", "overdue"), [(11, False), (30, True)], ids=["as every day", "overslept"])
def test_planned_sleep_is_a_silence_of_its_own(nightly, hours, overdue):
    """#3: twelve hours are usual during an announced sleep, although sixty other silences lasted ten minutes."""
    stored, asleep = nightly
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()

    assert silence(row, asleep + timedelta(hours=hours)).is_overdue == overdue
    assert (len(row.gaps_s.split(",")), len(row.sleeps_s.split(","))) == (60, 6)


def test_a_trap_silent_without_announcement_is_overdue_soon(nightly):
    """#3: for the same trap awake, an hour is unusual, whatever its sleeps are."""
    stored, asleep = nightly
    stored.commit(RawMessage(AVAILABILITY, b"online"), now=asleep + timedelta(hours=12))
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()

    assert silence(row, asleep + timedelta(hours=13, minutes=5)).is_overdue


def pass_state(every_s: float | None) -> RawMessage:
    """A state from the end of a pass; the trap's clock is a year behind."""
    sent_at = NOON - timedelta(days=365)
    state = TrapState(
        trap="ridge", bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="d", software="s", boot_id="x",
        uptime_s=1.0, sent_at=sent_at, clock_synchronised=False, disk_free_bytes=1, outbox_sequences=0, outbox_bytes=0,
        outbox_age_s=0.0, counters=Counters(),
        next_pass_at=None if every_s is None else sent_at + timedelta(seconds=every_s),
    )  # fmt: skip
    return RawMessage("uncia/v1/ridge/state", encode(state))


@pytest.mark.parametrize(
    ("every_h", "silent_h", "overdue"),
    [(6, 11, False), (6, 13, True), (0.1, 0.9, False), (0.1, 1.1, True), (None, 20, False), (None, 30, True)],
    ids=["one missed", "two missed", "often", "often, gone", "no plan told", "no plan told, gone"],
)
def test_trap_of_single_passes_is_overdue_by_its_own_plan(stored, every_h, silent_h, overdue):
    """#4: from the first pass on, without five known silences, and with any clock."""
    stored.commit(
        pass_state(None if every_h is None else 3600 * every_h), RawMessage(AVAILABILITY, b"sleeping"), now=NOON
    )
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()

    assert silence(row, NOON + timedelta(hours=silent_h)).is_overdue == overdue
