"""The collector answers `uncia-trap doctor`, and notices two machines with one trap id."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.schema import traps
from uncia_collector.ingest.wire_messages import RawMessage, RefusedMessage, parse_message
from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, encode

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def test_a_question_is_answered_by_a_receipt_and_not_stored(stored):
    """It makes no row of a trap and no sequence, because such a trap may not exist."""
    receipts = stored.commit(RawMessage("uncia/v1/ridge/doctor", b'{"id":"doctor-1"}'))
    [(key, receipt)] = receipts.items()
    assert (key, receipt.record_stored, receipt.refused) == (("ridge", "doctor-1"), False, None)
    with stored.database.reading() as connection:
        assert connection.execute(select(traps)).all() == []


def test_a_broken_question_is_refused():
    """As any invalid message."""
    assert isinstance(parse_message(RawMessage("uncia/v1/ridge/doctor", b"{}")), RefusedMessage)


def state(boot: str, uptime_s: float) -> RawMessage:
    told = TrapState(
        trap="ridge", bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="d", software="s", boot_id=boot,
        uptime_s=uptime_s, sent_at=NOW, clock_synchronised=True, disk_free_bytes=1, outbox_sequences=0,
        outbox_bytes=0, outbox_age_s=0.0, counters=Counters(),
    )  # fmt: skip
    return RawMessage("uncia/v1/ridge/state", encode(told))


@pytest.mark.parametrize(
    ("told", "doubled"),
    [
        ([("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1)], False),
        ([("a", 1), ("b", 1), ("a", 1), ("b", 1)], False),
        ([("a", 1), ("b", 1), ("a", 9)], True),
        ([("unknown", 1), ("b", 1), ("unknown", 9)], False),
        ([(f"boot-{n}", n) for n in range(40)], False),
    ],
    ids=["reboots", "messages that come twice", "in turn", "machines without a boot's id", "many reboots"],
)
def test_two_machines_with_one_id_are_noticed(stored, told, doubled):
    """An earlier boot sends again after a later one."""
    for boot, uptime_s in told:
        stored.commit(state(boot, float(uptime_s)), now=NOW + timedelta(seconds=5))
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()
    assert ((row.doubled_at is not None), len(row.boots) <= 600) == (doubled, True)
