"""Whether the integer model is worse: each rule on both sides of its bound."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from uncia_contract.bursts.decisions import DecisionRule
from uncia_converter.agreement import Agreement, PictureParity, agreement, roc_auc

HALF = DecisionRule(0.5)


def singles(truth: Sequence[bool], in_float: Sequence[float], in_int8: Sequence[float]) -> list[list[PictureParity]]:
    """One sequence for each picture."""
    return [[PictureParity(f"{n}.jpg", *row)] for n, row in enumerate(zip(truth, in_float, in_int8, strict=True))]


def judged(truth: Sequence[bool], in_float: Sequence[float], in_int8: Sequence[float]) -> Agreement:
    return agreement(singles(truth, in_float, in_int8), HALF)


def flips(worse: int, better: int, distance: float = 0.1, others: int = 400) -> Agreement:
    """So many verdicts of positives lost and won, with float scores that far from the threshold; others equal."""
    lost, won = [0.5 + distance] * worse, [0.5 - distance] * better
    far = [0.9] * others
    return judged([True] * (worse + better + others), [*lost, *won, *far], [0.49] * worse + [0.51] * better + far)


@pytest.mark.parametrize(
    ("worse", "better", "refused"),
    [(5, 0, False), (6, 0, True), (1, 1, False), (8, 4, False), (12, 3, True), (0, 30, False)],
    ids=["five worse", "six worse", "one each", "eight to four", "twelve to three", "thirty better"],
)
def test_verdicts_are_refused_where_they_are_worse_beyond_chance(worse: int, better: int, refused: bool) -> None:
    """An exact one-sided binomial test: improvements are no problem, nor is a single change."""
    found = flips(worse, better)
    assert (found.worse, found.better) == (worse, better)
    assert [one.startswith(f"of {worse + better} verdicts that change") for one in found.problems] == [True] * refused


def test_verdicts_within_the_noise_are_not_counted() -> None:
    """If every confidence moves by 0.03, changes within 0.03 of the threshold are ignored."""
    near = judged([True] * 40, [0.52] * 20 + [0.9] * 20, [0.49] * 20 + [0.87] * 20)
    assert (near.noise, near.worse, len(near.changed_verdicts)) == (pytest.approx(0.03), 0, 20)
    assert "within the noise" in near.told(0.5)[0]


def test_the_noise_is_limited() -> None:
    """It is at most 0.05."""
    off = judged([True] * 40, [0.6] * 40, [0.45] * 40)
    assert (off.noise, off.worse) == (0.05, 40)
    assert len(off.problems) == 2


def test_every_changed_verdict_is_reported() -> None:
    """With both confidences, and which one is right."""
    lines = flips(1, 1).told(0.5)
    assert lines == [
        "0.jpg: 0.600 in float, 0.490 in int8 (threshold 0.500): wrong in int8",
        "1.jpg: 0.400 in float, 0.510 in int8 (threshold 0.500): right in int8",
    ]


def spread(count: int, lost: float, seed: int = 0) -> Agreement:
    """Positives and negatives with overlapping scores; in int8 the positives score lower by `lost`."""
    chance = np.random.default_rng(seed)
    truth = np.arange(2 * count) < count
    in_float = np.clip(np.where(truth, 0.56, 0.44) + chance.normal(0, 0.1, 2 * count), 0, 1)
    in_int8 = np.clip(in_float - lost * truth + chance.normal(0, 0.004, 2 * count), 0, 1)
    return judged(truth.tolist(), in_float.tolist(), in_int8.tolist())


def test_a_lower_auc_is_refused_beyond_chance_and_tolerance() -> None:
    """Each positive's probability is lower by 0.01, for 600 pictures."""
    problems = spread(300, 0.01).problems
    assert any(problem.startswith("ROC AUC") and "expected at most 0.002 less" in problem for problem in problems)


def test_a_higher_auc_is_no_problem() -> None:
    """Once a bundle was refused although int8 was better."""
    better = spread(300, -0.015)
    assert better.roc_auc_int8 > better.roc_auc_float + 0.01
    assert better.problems == ()


def test_chance_alone_is_seldom_refused() -> None:
    """If int8 is as good, at most five of a hundred data sets of 60 pictures are refused."""
    assert sum(bool(spread(30, 0.0, seed).problems) for seed in range(100)) <= 5


@pytest.mark.parametrize(
    ("moved", "refused"), [(0.0799, False), (0.0801, True)], ids=["mean of less than 0.02", "mean of more"]
)
def test_probabilities_may_differ_by_a_fiftieth_on_average(moved: float, refused: bool) -> None:
    """In either direction, because people read confidences."""
    found = judged([True] * 4, [0.7] * 4, [0.7, 0.7, 0.7, 0.7 + moved])
    assert [one.startswith("probabilities differ by 0.0200") for one in found.problems] == [True] * refused


@pytest.mark.parametrize(("moved", "broken"), [(0.09, False), (0.11, True)], ids=["off", "plainly broken"])
def test_the_graphs_own_head_is_refused_where_it_is_plainly_broken(moved: float, broken: bool) -> None:
    """Traps do not use it, so its limits are wider."""
    found = judged([True] * 4, [0.7] * 4, [0.7 + moved] * 4)
    assert (bool(found.problems), bool(found.broken)) == (True, broken)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), min_size=2, max_size=30))
def test_roc_auc_is_scikit_learns(rows: list[tuple[bool, float]]) -> None:
    """Also with ties; None for only one class."""
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    expected = roc_auc_score(truth, scores) if 0 < truth.sum() < len(truth) else None
    assert roc_auc(truth, scores) == pytest.approx(expected)
