"""Whether another trap has this id, by the retained state at the broker when the link comes back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, encode
from uncia_edge.delivery.link import Connected, Disconnected, Received
from uncia_edge.service.link_report import LinkReport

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def retained(boot: str, uptime_s: float = 1.0) -> Received:
    state = TrapState(
        trap="ridge", bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="cpu", software="uncia",
        boot_id=boot, uptime_s=uptime_s, sent_at=AT, clock_synchronised=True, disk_free_bytes=1, outbox_sequences=0,
        outbox_bytes=0, outbox_age_s=0.0, counters=Counters(),
    )  # fmt: skip
    return Received("uncia/v1/ridge/state", encode(state))


@pytest.mark.parametrize(
    ("first", "then", "is_another"),
    [
        (retained("before"), retained("ours"), False), (retained("before"), retained("before"), False),
        (None, retained("another"), True), (retained("before"), retained("another"), True),
        (retained("another"), retained("another", 400.0), True), (retained("ours"), retained("ours", 9.0), False),
        (None, Received("uncia/v1/ridge/state", b"{"), False),
    ],
    ids=["its own since", "cut off before it wrote", "a new broker", "another one's", "another one that goes on",
         "a new process of this boot", "no state"],
)  # fmt: skip
def test_another_boot_that_wrote_meanwhile_is_another_trap(
    tmp_path: Path, first: Received | None, then: Received, is_another: bool
) -> None:
    """The state from before this process, such as that of its own last boot, proves nothing."""
    report = LinkReport(tmp_path, "ridge", boot_id="ours")
    for event in (Connected(), first, Disconnected("lost"), Connected(), then):
        if event is not None:
            report.note(event)
    assert (report.problem is not None) is is_another


def test_the_report_lasts_ten_minutes_after_the_last_sign(tmp_path: Path) -> None:
    """After that the other trap counts as gone."""
    clock = [0.0]
    report = LinkReport(tmp_path, "ridge", clock=lambda: clock[0], boot_id="ours")
    for event in (Connected(), Disconnected("lost"), Connected(), retained("another")):
        report.note(event)
    found = []
    for clock[0] in (599.0, 601.0):
        found.append(report.problem is not None)
    assert found == [True, False]
