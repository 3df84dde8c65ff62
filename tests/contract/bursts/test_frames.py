"""Bursts: which frames belong together."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.pictures.exif import Taken
from uncia_contract.pictures.maker_notes import MakerNote

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
    """No frame is lost or doubled."""
    frames = [frame(time, f"{index:03d}") for index, time in enumerate(times)]
    kept = [kept for burst in bursts(frames, BurstRule()) for kept in burst.frames]
    assert sorted(kept, key=lambda one: one.name) == frames


def test_the_gap_is_measured_from_the_previous_frame() -> None:
    """Three frames, each nine seconds after the one before, are one burst of eighteen seconds."""
    assert len(list(bursts([frame(0), frame(9), frame(18)], BurstRule(gap_s=10)))) == 1


def test_a_gap_longer_than_the_rule_ends_a_burst() -> None:
    """Rule #1."""
    assert len(list(bursts([frame(0), frame(10.1)], BurstRule(gap_s=10)))) == 2


def test_equal_times_are_ordered_by_name() -> None:
    """Cameras write several frames within one second."""
    assert seconds(bursts([frame(1, "b"), frame(1, "a")], BurstRule())) == [["a", "b"]]


def test_a_burst_that_never_ends_is_cut_by_count_and_goes_on() -> None:
    """Rule #3: thirty-one frames are a burst of thirty and one that continues it."""
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


def noted(second: float, event: int, name: str, serial: str = "H500") -> Frame:
    """A frame whose maker's note names an event."""
    time = START + timedelta(seconds=second)
    note = MakerNote(time.replace(tzinfo=None), event, 1, 10, serial)
    return Frame(name, Path(name), time, Taken(time, note.clock, serial, note))


def clocked(clock: datetime, name: str) -> Frame:
    """A frame whose camera clock showed that time."""
    at = clock.replace(tzinfo=UTC) if clock.year >= 1990 else None
    return Frame(name, Path(name), at, Taken(at, clock))


def test_frames_of_one_trigger_belong_together_beyond_the_gap() -> None:
    """Rule #5: a camera that takes the pictures of one trigger half a minute apart."""
    frames = [noted(0, 17, "a"), noted(30, 17, "b"), noted(60, 17, "c"), noted(90, 18, "d")]
    assert seconds(bursts(frames, BurstRule())) == [["a", "b", "c"], ["d"]]


def test_a_frame_without_a_note_does_not_split_an_event() -> None:
    """Programs that edit a picture drop its note."""
    frames = [noted(0, 17, "a"), frame(9, "b"), noted(25, 17, "c")]
    assert seconds(bursts(frames, BurstRule())) == [["a", "b", "c"]]


def test_events_that_follow_each_other_are_one_visit() -> None:
    """An animal that stays triggers again: Reconyx events of one leopard are two to eight seconds apart."""
    assert len(list(bursts([noted(0, 17, "a"), noted(5, 18, "b"), noted(9, 19, "c")], BurstRule()))) == 1


@pytest.mark.parametrize("second", [200, 30], ids=["two minutes later", "of another camera"])
def test_equal_event_numbers_join_only_frames_of_one_camera_close_in_time(second: int) -> None:
    """A counter may start again, and each camera has its own."""
    other = noted(second, 17, "b", "H500" if second == 200 else "other")
    assert len(list(bursts([noted(0, 17, "a"), other], BurstRule()))) == 2


@pytest.mark.parametrize("year", [1970, 2000])
@pytest.mark.parametrize(
    ("first", "second"),
    [(((1, 10), (2, 11), (3, 13)), ((40, 11), (41, 12), (42, 14))),
     (((1, 10), (2, 11), (3, 13)), ((4, 11), (5, 12), (6, 14))),
     (((1, 10), (2, 11), (3, 12)), ((40, 15), (41, 16), (42, 18)))],
    ids=["a gap in the numbers, interleaved", "an order against the time", "a gap in the numbers, one after another"],
)  # fmt: skip
def test_two_visits_that_begin_with_a_reset_clock_are_two(year: int, first, second) -> None:
    """Rule #7: (file number, second) of each frame."""
    frames = [clocked(datetime(year, 1, 1, 0, 0, at), f"IMG_{number:04}.JPG") for number, at in (*first, *second)]  # noqa: DTZ001
    assert [len(burst.frames) for burst in bursts(frames, BurstRule())] == [3, 3]


def test_a_clock_of_1970_cuts_bursts_by_relative_time() -> None:
    """The time is not published, but its differences are used."""
    frames = [clocked(datetime(1970, 1, 1, 0, 0, at), f"IMG_{at:04}.JPG") for at in (1, 2, 3)]  # noqa: DTZ001
    later = [clocked(datetime(1970, 1, 1, 5, 0, at), f"IMG_{at:04}.JPG") for at in (4, 5)]  # noqa: DTZ001
    assert [len(burst.frames) for burst in bursts(frames + later, BurstRule())] == [3, 2]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """Rule #6: file numbers keep counting when the clock is set back an hour in autumn."""
    minutes = (10, 20, 30, 40, 50, 10, 20)
    frames = [
        clocked(datetime(2026, 10, 25, 2, minute, second), f"IMG_{3 * index + second + 1:04}.JPG")  # noqa: DTZ001
        for index, minute in enumerate(minutes)
        for second in range(3)
    ]
    found = [[one.name for one in burst.frames] for burst in bursts(frames, BurstRule())]
    assert len(found) == 7 and ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"] in found


def test_numbers_that_contradict_the_times_do_not_split_bursts() -> None:
    """For example after someone sorted the pictures by species and renumbered them."""
    frames = [clocked(datetime(2026, 5, 1, 2, n % 5, n // 5), f"IMG_{n:04}.JPG") for n in range(20)]  # noqa: DTZ001
    assert [len(burst.frames) for burst in bursts(frames, BurstRule())] == [4, 4, 4, 4, 4]


def test_deleted_pictures_do_not_split_a_burst() -> None:
    """With a right clock, a gap in the file numbers does not end a burst."""
    frames = [clocked(datetime(2026, 5, 1, 2, 0, n), f"IMG_{10 * n:04}.JPG") for n in range(1, 5)]  # noqa: DTZ001
    assert len(list(bursts(frames, BurstRule()))) == 1


def test_numbers_that_wrap_keep_their_order_within_a_second() -> None:
    """9999 and 1 have the same time."""
    names = ["IMG_9998.JPG", "IMG_9999.JPG", "IMG_0001.JPG"]
    frames = [clocked(datetime(2026, 5, 1, 2, 0, 1), name) for name in reversed(names)]  # noqa: DTZ001
    assert seconds(bursts(frames, BurstRule())) == [names]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60), st.sampled_from([1970, 2000, 2026]))), st.randoms())
def test_numbered_frames_are_in_exactly_one_burst_in_any_order_of_arrival(drawn, random) -> None:
    """Also where clocks and numbers contradict each other."""
    drawn = {number: (second, year) for second, number, year in drawn}
    frames = [
        clocked(datetime(year, 1, 1, 0, 0, 0) + timedelta(seconds=second), f"IMG_{number:04}.JPG")  # noqa: DTZ001
        for number, (second, year) in drawn.items()
    ]
    shuffled = list(frames)
    random.shuffle(shuffled)
    found = list(bursts(shuffled, BurstRule()))
    assert found == list(bursts(frames, BurstRule()))
    assert sorted(one.name for burst in found for one in burst.frames) == sorted(one.name for one in frames)
