"""The second look: which frames get one, what it costs, and that early exit gives the same verdict with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from uncia_contract.bursts.decisions import Decision, DecisionRule, EarlyExit
from uncia_contract.bursts.frame_scores import FrameScore, lowered
from uncia_contract.bursts.regions import RegionChoice
from uncia_contract.bursts.second_look import SecondLook, SecondLooks, Seen, widened, window
from uncia_contract.errors import BundleError
from uncia_contract.pictures.region import Region

RULE = SecondLook()
SMALL = Region(0.4, 0.4, 0.2, 0.2)
probability = st.floats(0.0, 1.0, allow_nan=False)


@dataclass
class Pictured:
    """A frame with fixed scores: `first` (its region or the whole), `whole`, and `windows` in order."""

    first: float
    whole: float = 0.0
    windows: Sequence[float] = (0.0, 0.0, 0.0)
    region: Region | None = None
    looks: list[Region | None] = field(default_factory=list)

    def look(self, places: Sequence[Region | None]) -> list[FrameScore]:
        self.looks += places
        given = [self.whole] if list(places) == [None] else self.windows
        return [FrameScore(score).at((0.5, 0.5)) for score in given]

    @property
    def choice(self) -> RegionChoice:
        return RegionChoice(self.region, "changed" if self.region else "no-change")


def scored(frames: Sequence[Pictured], threshold: float = 0.5, every: bool = True) -> tuple[Decision, dict[int, float]]:
    """The verdict and the frames' final scores."""
    early_exit, looks = EarlyExit(range(len(frames)), DecisionRule(threshold), every), SecondLooks(RULE, len(frames))
    while certain := early_exit.certain():
        frame = frames[certain[0]]
        frame.looks.append(frame.region)
        first = Seen(FrameScore(frame.first).at((0.5, 0.5)), frame.choice)
        early_exit.scores[certain[0]] = float(looks.final(first, (640, 480), frame.look).score)
    return early_exit.decide(), early_exit.scores


frames = st.builds(
    Pictured,
    first=probability,
    whole=probability,
    windows=st.tuples(probability, probability, probability),
    region=st.sampled_from([None, SMALL]),
    looks=st.builds(list),
)
bursts = st.lists(frames, min_size=1, max_size=16)


@given(bursts, probability)
def test_early_exit_gives_the_verdict_of_scoring_every_frame(burst: list[Pictured], threshold: float) -> None:
    """#6: a frame's final score does not depend on later frames; a frame without a score counts as 1."""
    (full, every), (early, some) = scored(burst, threshold), scored(burst, threshold, every=False)
    assert (early.positive, some) == (full.positive, {index: every[index] for index in some})


@given(bursts)
def test_early_exit_agrees_where_the_mean_equals_the_threshold(burst: list[Pictured]) -> None:
    """The bound holds to the last bit."""
    mean = scored(burst, 0.0)[0].confidence
    assert scored(burst, mean, every=False)[0] == Decision(mean, positive=True)


@given(bursts, probability)
def test_the_upper_bound_of_a_negative_is_no_less_than_its_mean(burst: list[Pictured], threshold: float) -> None:
    """Frames that were not scored count as 1 in the bound."""
    assert scored(burst, threshold, every=False)[0].confidence >= scored(burst, 0.0)[0].confidence


@given(bursts)
def test_a_second_look_never_lowers_a_score(burst: list[Pictured]) -> None:
    """The first look counts where it is higher."""
    assert all(scored(burst)[1][index] >= frame.first for index, frame in enumerate(burst))


@given(bursts)
def test_a_burst_costs_at_most_twice_its_frames_and_a_single_frame_five(burst: list[Pictured]) -> None:
    """#5; of one or two frames: the region, the whole frame, three windows."""
    scored(burst)
    most = 2 if len(burst) > 2 else 5
    assert sum(len(frame.looks) for frame in burst) <= most * len(burst)


@given(st.lists(frames.filter(lambda frame: frame.first < RULE.sighted), min_size=3, max_size=16))
def test_a_burst_without_a_sighted_frame_is_looked_at_once(burst: list[Pictured]) -> None:
    """So a blank burst costs no more than without a second look."""
    scored(burst)
    assert all(len(frame.looks) == 1 for frame in burst)


def test_frames_after_a_sighted_frame_are_looked_at_again() -> None:
    """The order of scoring is 2, 3, 1, 4, 0; frame 1 sees the animal, so 4 and 0 are looked at again."""
    burst = [Pictured(0.1, 0.8, region=SMALL) for _ in range(5)]
    burst[1].first = 0.5
    assert scored(burst)[1] == {0: 0.8, 1: 0.5, 2: 0.1, 3: 0.1, 4: 0.8}


def test_second_looks_end_where_they_might_cost_more_than_the_burst_has_frames() -> None:
    """Six frames allow six more looks: three windows and one whole frame leave two, and windows need three."""
    burst = [Pictured(0.9), *(Pictured(0.1, 0.8, region=SMALL) for _ in range(4)), Pictured(0.1)]
    burst[2], burst[0] = burst[0], burst[2]
    burst[3] = Pictured(0.1, windows=(0.9, 0.9, 0.9))
    scored(burst)
    assert [len(frame.looks) for frame in burst] == [1, 2, 1, 4, 1, 1]


def test_the_second_best_window_counts_less_its_logits() -> None:
    """One high window is not enough."""
    burst = [Pictured(0.9), Pictured(0.9), Pictured(0.1, windows=(0.99, 0.3, 0.8))]
    assert scored(burst)[1][2] == lowered(0.8, RULE.long_off)


@pytest.mark.parametrize("first", [0.0, 0.0199, 0.5, 0.97], ids=str)
def test_a_single_frame_without_doubt_is_looked_at_once(first: float) -> None:
    """Its score is clearly low, or reaches `sighted`."""
    assert scored([Pictured(first, windows=(1.0, 1.0, 1.0))])[1] == {0: first}


@pytest.mark.parametrize("region", [None, SMALL], ids=["whole", "region"])
def test_a_doubtful_single_frame_is_searched_around_the_peak_of_the_whole_frame(region: Region | None) -> None:
    """If the first look was a region, the whole frame is scored before the windows."""
    frame = Pictured(0.02, windows=(0.9, 0.99, 0.95), region=region)
    expected = [None, *(window((0.5, 0.5), side, (640, 480)) for side in RULE.sides)]
    assert (scored([frame])[1], frame.looks) == (
        {0: between(0.95, 0.02, RULE.few_off)},
        [region, *expected] if region else expected,
    )


def between(one: float, other: float, off: float) -> float:
    """The mean of two logits, minus `off`, as a probability."""
    return pytest.approx(1 / (1 + math.exp(off - (math.log(one / (1 - one)) + math.log(other / (1 - other))) / 2)))


def test_a_doubtful_region_counts_as_the_whole_frame_where_that_scores_more() -> None:
    """The mean is then of the whole frame and the windows; with low windows the whole frame's score counts."""
    searched = Pictured(0.02, whole=0.4, windows=(0.95, 0.95, 0.0), region=SMALL)
    alone = Pictured(0.02, whole=0.4, windows=(0.1, 0.1, 0.1), region=SMALL)
    assert scored([searched])[1] == {0: between(0.95, 0.4, RULE.few_off)}
    assert scored([alone])[1] == {0: 0.4}


def test_fur_that_fills_a_window_is_not_enough() -> None:
    """Windows of 0.97 and a whole frame of 0.05: the mean of the logits, minus one, is below 0.5."""
    assert scored([Pictured(0.05, windows=(0.97, 0.97, 0.97))])[1][0] < 0.5


def test_the_look_that_counted_is_recorded() -> None:
    """The region is the window whose score counts; the reason is `second-look`."""
    frame = Pictured(0.1, windows=(0.99, 0.97, 0.1))
    first = Seen(FrameScore(0.1).at((0.5, 0.5)), frame.choice)
    seen = SecondLooks(RULE, 1).final(first, (640, 480), frame.look)
    assert seen.choice == RegionChoice(window((0.5, 0.5), 0.45, (640, 480)), "second-look")


def test_a_model_without_a_map_is_refused_where_windows_are_asked_for() -> None:
    """Without a map there is no peak to place windows around."""
    first = Seen(FrameScore(0.1), RegionChoice(None, "single-frame"))
    with pytest.raises(BundleError, match="no activation map"):
        SecondLooks(RULE, 1).final(first, (640, 480), Pictured(0.1).look)


@given(
    st.tuples(probability, probability),
    st.floats(0.05, 1.0),
    st.tuples(st.integers(40, 4000), st.integers(40, 4000)),
    st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.2)),
)
def test_a_window_is_as_high_as_stated_and_never_leaves_what_is_seen(
    peak: tuple[float, float], side: float, size: tuple[int, int], strips: tuple[float, float]
) -> None:
    """Between burnt-in strips as well; square where the frame is wide enough."""
    whole = Region(0.0, strips[0], 1.0, 1.0 - sum(strips))
    found = window(peak, side, size, whole)
    assert found.height == pytest.approx(side * whole.height)
    assert found.width * size[0] == pytest.approx(min(found.height * size[1], size[0]))
    assert found.left >= 0 and found.left + found.width <= 1 + 1e-9
    assert found.top >= whole.top - 1e-9 and found.top + found.height <= whole.top + whole.height + 1e-9


@pytest.mark.parametrize(
    ("region", "frames", "height"),
    [(SMALL, 3, 0.3), (SMALL, 2, 0.2), (Region(0.1, 0.1, 0.4, 0.4), 3, 0.4), (Region(0.0, 0.8, 0.39, 0.2), 9, 0.3)],
    ids=["small", "of two frames", "large enough", "at the edge"],
)
def test_small_regions_of_longer_bursts_are_widened(region: Region, frames: int, height: float) -> None:
    """#1: the changed part is often only a part of the animal."""
    found = RULE.first_choice(RegionChoice(region, "changed"), frames).region
    assert found is not None and found.height == pytest.approx(height)
    assert found.left >= 0 and found.left + found.width <= 1 and found.top + found.height <= 1 + 1e-12


@pytest.mark.parametrize(
    ("by", "expected"), [(1.5, (0.35, 0.35, 0.3, 0.3)), (9.0, (0.0, 0.0, 1.0, 1.0))], ids=["within", "cut"]
)
def test_a_widened_region_keeps_its_centre_where_it_can(by: float, expected: tuple[float, ...]) -> None:
    """It is cut to the frame where it is larger."""
    assert astuple(widened(SMALL, by)) == pytest.approx(expected)
