"""Bursts: which frames belong together."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.bursts.frames import BurstRule, Frame, bursts

START = datetime(2026, 1, 1, tzinfo=UTC)


def frame(second: float, name: str = "") -> Frame:
    """A frame taken that many seconds after the start."""
    return Frame(name or f"{second:09.3f}", Path(name or str(second)), START + timedelta(seconds=second))


def seconds(found: object) -> list[list[str]]:
    """The names in each burst."""
    return [[frame.name for frame in burst.frames] for burst in found]  # type: ignore[attr-defined]


@given(st.lists(st.floats(0, 500), min_size=1, max_size=60), st.randoms())
def test_bursts_do_not_depend_on_the_order_of_arrival(times: list[float], random: object) -> None:
    """A card may be read, and a link may deliver, in any order."""
    frames = [frame(time, f"{index:03d}") for index, time in enumerate(times)]
    shuffled = list(frames)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(bursts(shuffled, BurstRule())) == list(bursts(frames, BurstRule()))


@given(st.lists(st.floats(0, 500), min_size=1, max_size=60))
def test_every_frame_is_in_exactly_one_burst(times: list[float]) -> None:
    """Nothing is lost or doubled by cutting."""
    frames = [frame(time, f"{index:03d}") for index, time in enumerate(times)]
    kept = [kept for burst in bursts(frames, BurstRule()) for kept in burst.frames]
    assert sorted(kept, key=lambda one: one.name) == frames


def test_the_gap_is_measured_from_the_previous_frame() -> None:
    """Nine seconds and nine seconds make one burst, though its ends lie eighteen apart."""
    assert len(list(bursts([frame(0), frame(9), frame(18)], BurstRule(gap_s=10)))) == 1


def test_a_gap_longer_than_the_rule_ends_a_burst() -> None:
    """Rule #1."""
    assert len(list(bursts([frame(0), frame(10.1)], BurstRule(gap_s=10)))) == 2


def test_equal_times_are_ordered_by_name() -> None:
    """Cameras write several frames within one second."""
    assert seconds(bursts([frame(1, "b"), frame(1, "a")], BurstRule())) == [["a", "b"]]


def test_a_burst_that_never_ends_is_cut_by_count_and_goes_on() -> None:
    """Rule #3: thirty-one frames are thirty and one that continues them."""
    found = list(bursts([frame(n) for n in range(31)], BurstRule(max_frames=30)))
    assert [(len(burst.frames), burst.continues) for burst in found] == [(30, False), (1, True)]


def test_a_burst_that_never_ends_is_cut_by_age() -> None:
    """Rule #4: measured from its first frame."""
    found = list(bursts([frame(n * 9) for n in range(15)], BurstRule(max_duration_s=120)))
    assert [burst.continues for burst in found] == [False, True]


def test_a_frame_without_a_time_stands_alone() -> None:
    """Rule #2."""
    found = bursts([frame(0), Frame("x", Path("x")), Frame("y", Path("y"))], BurstRule())
    assert [len(burst.frames) for burst in found] == [1, 1, 1]
