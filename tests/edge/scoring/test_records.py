"""Which event a burst belongs to."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.edge.scene import START

from uncia_contract.bursts.frames import Frame
from uncia_contract.pictures.exif import Taken
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.scoring.records import EarlierSequence, Events

EARLIER = [EarlierSequence(f"s{n}", START + timedelta(hours=n), START + timedelta(hours=n, seconds=5)) for n in (0, 1)]


def burst(seconds: float, taken: Taken | None = None, continues: bool = False) -> ArrivedBurst:
    """Of one frame, taken so long after START."""
    frame = Frame("1.jpg", Path("1.jpg"), START + timedelta(seconds=seconds), taken or Taken())
    return ArrivedBurst(f"b{seconds}", (frame,), continues=continues)


@pytest.mark.parametrize(
    ("seconds", "event"),
    [(3, "s0"), (15, "s0"), (-10, "s0"), (16, "s9"), (3595, "s1"), (7200, "s9")],
    ids=["within", "just after", "just before", "beyond the gap", "before the second", "another visit"],
)
def test_a_start_does_not_tear_an_event(seconds: float, event: str) -> None:
    """A burst that lies within the gap of what was decided before the start belongs to it."""
    assert Events(EARLIER).event_of(burst(seconds), "s9", 10.0) == event


def test_what_continues_it_belongs_to_it_too() -> None:
    """A visit that went on over a start."""
    events = Events(EARLIER)
    assert [events.event_of(burst(14), "s9", 10.0), events.event_of(burst(30, continues=True), "s10", 10.0)] == [
        "s0"
    ] * 2


def test_a_clock_that_was_reset_joins_nothing_of_before() -> None:
    """Two visits may begin at the same moment of it."""
    reset = Taken(clock=datetime(1970, 1, 1))  # noqa: DTZ001 - as a camera tells it
    assert Events(EARLIER).event_of(burst(3, reset), "s9", 10.0) == "s9"
