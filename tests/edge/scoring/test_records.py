"""The event of a burst, and the labels in its record."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec import UNSET
from tests.edge.scene import START

from support.fixed_scores import make_manifest
from uncia_contract.bursts.decisions import Decision
from uncia_contract.bursts.frames import Frame
from uncia_contract.messages.records import BundleIdentity
from uncia_contract.pictures.exif import Taken
from uncia_contract.scoring.score_burst import FrameResult, SequenceVerdict
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.clock import Reading
from uncia_edge.outbox.source_files import Original, Sign
from uncia_edge.scoring.records import EarlierSequence, Events, SequenceIds, make_record

EARLIER = [EarlierSequence(f"s{n}", START + timedelta(hours=n), START + timedelta(hours=n, seconds=5)) for n in (0, 1)]


def burst(seconds: float, taken: Taken | None = None, continues: bool = False) -> ArrivedBurst:
    """A burst of one frame, taken `seconds` after START."""
    frame = Frame("1.jpg", Path("1.jpg"), START + timedelta(seconds=seconds), taken or Taken())
    return ArrivedBurst(f"b{seconds}", (frame,), continues=continues)


@pytest.mark.parametrize(
    ("seconds", "event"),
    [(3, "s0"), (15, "s0"), (-10, "s0"), (16, "s9"), (3595, "s1"), (7200, "s9")],
    ids=["within", "just after", "just before", "beyond the gap", "before the second", "another visit"],
)
def test_a_restart_does_not_split_an_event(seconds: float, event: str) -> None:
    """A burst within the gap of a sequence that was decided before the start belongs to its event."""
    assert Events(EARLIER).event_of(burst(seconds), "s9", 10.0) == event


def test_a_burst_that_continues_it_belongs_to_it_too() -> None:
    """The visit went on during the restart."""
    events = Events(EARLIER)
    assert [events.event_of(burst(14), "s9", 10.0), events.event_of(burst(30, continues=True), "s10", 10.0)] == [
        "s0"
    ] * 2


def test_after_a_clock_reset_a_burst_joins_no_earlier_event() -> None:
    """Two visits may begin at the same time of such a clock."""
    reset = Taken(clock=datetime(1970, 1, 1))  # noqa: DTZ001 - as a camera tells it
    assert Events(EARLIER).event_of(burst(3, reset), "s9", 10.0) == "s9"


@pytest.mark.parametrize("means", [{"snow_leopard": 0.25, "prey": 0.5}, {}], ids=["two labels", "one label"])
def test_the_record_has_the_likeliest_label_and_with_several_each_probability(means: dict[str, float]) -> None:
    """With one label the record has no further field."""
    label = "prey" if means else "snow_leopard"
    verdict = SequenceVerdict(Decision(0.75, True), label, means, (FrameResult(0.75, None, "off"),), {})
    rules = make_manifest(positive=tuple(means) or ("snow_leopard",))
    ids, clock = SequenceIds("s1", "s1"), Reading(START, 1.0, "boot", synchronised=True)
    original = Original("0" * 64, 10, Sign(0, 0, 10, 0, 0, settled=True))
    record = make_record(burst(0), verdict, rules, BundleIdentity("b", 1, "0" * 64), ids, "t", clock, {0: original})
    assert (record.label, record.probabilities) == (label, means or UNSET)
