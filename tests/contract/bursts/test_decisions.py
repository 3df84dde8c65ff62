"""Verdicts: the mean decides, and stopping early never changes it."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.early_exit import decide_early
from uncia_contract.bursts.decisions import (
    DecisionRule,
    EarlyExit,
    aggregate,
    decide,
    is_settled,
    scoring_order,
)

probability = st.floats(0.0, 1.0, allow_nan=False)
bursts_of_scores = st.lists(probability, min_size=1, max_size=40)


@given(bursts_of_scores, probability)
def test_early_exit_gives_the_verdict_of_scoring_every_frame(scores: list[float], threshold: float) -> None:
    """DESIGN 3: the verdict is the same as with all frames scored."""
    rule = DecisionRule(threshold)
    early, _ = decide_early(scores.__getitem__, len(scores), rule)
    assert early.positive == decide(scores, rule).positive


@given(bursts_of_scores)
def test_early_exit_agrees_where_the_mean_equals_the_threshold(scores: list[float]) -> None:
    """The bound holds to the last bit: a mean exactly at the threshold stays positive."""
    rule = DecisionRule(math.fsum(scores) / len(scores))
    assert decide_early(scores.__getitem__, len(scores), rule)[0].positive


@given(bursts_of_scores, probability)
def test_a_positive_is_scored_in_full_and_its_confidence_is_its_mean(scores: list[float], threshold: float) -> None:
    """The published confidence is the number that decided."""
    early, scored = decide_early(scores.__getitem__, len(scores), DecisionRule(threshold))
    full = len(scored) == len(scores) and early.confidence == math.fsum(scores) / len(scores)
    assert full or not early.positive


@given(bursts_of_scores, probability)
def test_the_upper_bound_of_a_negative_is_no_less_than_its_mean(scores: list[float], threshold: float) -> None:
    """An early negative records a bound that the true mean cannot exceed."""
    early, _ = decide_early(scores.__getitem__, len(scores), DecisionRule(threshold))
    assert early.confidence >= math.fsum(scores) / len(scores)


@given(bursts_of_scores, probability, st.randoms(use_true_random=False))
def test_certain_frames_may_be_scored_in_any_order(
    scores: list[float], threshold: float, chance: random.Random
) -> None:
    """The scored frames and the verdict are those of scoring one after the other."""
    rule = DecisionRule(threshold)
    early_exit = EarlyExit(range(len(scores)), rule)
    while certain := early_exit.certain():
        frame = chance.choice(certain)
        early_exit.scores[frame] = scores[frame]
    assert (early_exit.decide(), early_exit.scores) == decide_early(scores.__getitem__, len(scores), rule)


@given(bursts_of_scores, probability)
def test_each_frame_in_the_order_is_scored_while_the_verdict_is_open(scores: list[float], threshold: float) -> None:
    """`EarlyExit` scores the same frames as this plain loop."""
    rule, expected = DecisionRule(threshold), list[int]()
    for frame in scoring_order(len(scores)):
        if is_settled([scores[one] for one in expected], len(scores), rule):
            break
        expected.append(frame)
    assert list(decide_early(scores.__getitem__, len(scores), rule)[1]) == expected


def test_every_frame_flag_makes_all_frames_certain() -> None:
    """For evaluation; the verdict is that of all scores."""
    early_exit = EarlyExit([4, 7, 9], DecisionRule(0.9), every_frame=True)
    assert early_exit.certain() == [7, 9, 4]


def test_a_hopeless_burst_stops_as_soon_as_the_bound_permits() -> None:
    """Ten frames with score 0 and a threshold of 0.5: scoring stops after six."""
    _, scored = decide_early(lambda index: 0.0, 10, DecisionRule(0.5))
    assert len(scored) == 6


@pytest.mark.parametrize(
    ("frames", "order"),
    [(1, [0]), (2, [0, 1]), (3, [1, 2, 0]), (4, [1, 2, 0, 3]), (5, [2, 3, 1, 4, 0])],
    ids=["one", "two", "three", "four", "five"],
)
def test_frames_are_scored_from_the_middle_outwards(frames: int, order: list[int]) -> None:
    """The animal most likely stands in the middle of the burst."""
    assert scoring_order(frames) == order


def test_missing_scores_that_could_decide_are_refused() -> None:
    """The missing frame could make the sequence positive."""
    with pytest.raises(ValueError, match="could still decide"):
        decide([0.9], DecisionRule(0.5), frames=2)


def test_a_sequence_without_frames_is_refused() -> None:
    """It is not a negative."""
    with pytest.raises(ValueError, match="no verdict"):
        decide([], DecisionRule(0.5))


@given(bursts_of_scores, st.sampled_from(["mean", "mean_logit", "median", "max", "noisy_or", "majority"]))
def test_every_aggregator_gives_a_probability(scores: list[float], how: str) -> None:
    """Reports compare aggregators on one scale."""
    assert 0.0 <= aggregate(scores, how) <= 1.0  # type: ignore[arg-type]
