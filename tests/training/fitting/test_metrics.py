"""Figures that can be checked by hand, and None if there is nothing to rank."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from uncia_training.fitting.intervals import exact
from uncia_training.fitting.metrics import figures, values
from uncia_training.fitting.resampling import AT_1_PERCENT, Dealt, ranked


def dealt(truth: list[bool], scores: list[float], units: list[int] | None = None) -> Dealt:
    """Data with one deal."""
    numbers = np.arange(len(truth)) if units is None else np.array(units)
    return Dealt(np.array(truth), np.array([scores]), numbers)


def test_figures_of_a_small_set_are_right() -> None:
    """Three of four right; three of four pairs ranked right."""
    found = values(dealt([False, False, True, True], [0.1, 0.6, 0.55, 0.9]), 0.5)
    assert (found["accuracy"], found["roc_auc"]) == (0.75, 0.75)


def test_one_class_alone_is_not_ranked() -> None:
    """The figure is None."""
    assert values(dealt([True, True], [0.9, 0.2]), 0.5)["roc_auc"] is None


def test_frames_of_one_sequence_count_as_one_observation() -> None:
    """Copies of every frame do not make the interval narrower."""
    truth, scores, units = [False, True] * 20, [((7 * i) % 40) / 40 for i in range(40)], list(range(40))
    once = figures(dealt(truth, scores, units), 0.5, draws=200)
    thrice = figures(dealt(truth * 3, scores * 3, units * 3), 0.5, draws=200)
    assert thrice.interval("roc_auc") == pytest.approx(once.interval("roc_auc"))
    assert np.diff(thrice.interval("accuracy")) >= np.diff(once.interval("accuracy"))


def test_an_interval_contains_its_figure() -> None:
    """The seed is fixed, so two reports give the same interval."""
    found = figures(dealt([False, True] * 30, [(i % 7) / 7 for i in range(60)]), 0.5, draws=300)
    low, high = found.interval("accuracy")
    assert low <= found.values["accuracy"] <= high


def test_each_draw_equals_scikit_learns_weighted_figures():
    """Also with ties; they agree to 1e-12."""
    chance = np.random.default_rng(1)
    actual, given = chance.random(40) < 0.4, chance.integers(0, 12, 40) / 12
    counts = chance.integers(0, 3, (5, 40)).astype(float)
    drawn = ranked(actual, given, counts)
    expected = [roc_auc_score(actual, given, sample_weight=row) for row in counts]
    assert np.abs(drawn["roc_auc"] - expected).max() < 1e-12
    expected = [average_precision_score(actual, given, sample_weight=row) for row in counts]
    assert np.abs(drawn["average_precision"] - expected).max() < 1e-12
    curves = [roc_curve(actual, given, sample_weight=row, drop_intermediate=False) for row in counts]
    assert drawn[AT_1_PERCENT] == pytest.approx([recall[alarms <= 0.01].max() for alarms, recall, _ in curves])


def noisy_deals(deals: int) -> Dealt:
    """A hundred sequences, one in three positive; the scores of each deal have their own noise."""
    chance = np.random.default_rng(2)
    truth = np.arange(100) % 3 == 0
    return Dealt(truth, 0.5 + 0.2 * (truth - 0.5) + 0.2 * chance.normal(size=(deals, 100)), np.arange(100) // 4)


def test_a_figure_is_the_mean_of_the_deals_and_not_that_of_averaged_scores() -> None:
    """The figure of averaged scores would be better than that of any deal."""
    dealt = noisy_deals(4)
    each = [average_precision_score(dealt.truth, scores) for scores in dealt.scores]
    found = figures(dealt, 0.5).values["average_precision"]
    assert found == pytest.approx(np.mean(each))
    assert average_precision_score(dealt.truth, dealt.scores.mean(axis=0)) > max(each) > found


def test_an_interval_includes_the_spread_between_deals() -> None:
    """It is wider than that of one deal, by the difference between the deals."""
    dealt = noisy_deals(2)
    shifted = Dealt(dealt.truth, np.stack([dealt.scores[0], dealt.truth + 0.0]), dealt.units)
    low, high = figures(shifted, 0.5).interval("roc_auc")
    alone = figures(Dealt(dealt.truth, dealt.scores[:1], dealt.units), 0.5)
    assert high - low > 1.5 * np.diff(alone.interval("roc_auc"))
    assert alone.values["roc_auc"] > low


def test_without_an_error_intervals_are_exact() -> None:
    """Ten places with two sequences each, half positive, no error: Clopper-Pearson over places."""
    truth = np.arange(20) % 4 < 2
    found = figures(Dealt(truth, np.stack([truth + 0.0] * 2), np.arange(20) // 2), 0.5)
    assert found.interval("accuracy") == exact(10, 10) == (pytest.approx(0.6915, abs=1e-4), 1.0)
    assert found.interval("recall") == exact(5, 5) == (pytest.approx(0.025**0.2), 1.0)
    assert found.interval("false_positive_rate") == (0.0, pytest.approx(1 - 0.025**0.2))
    assert found.interval("average_precision") == exact(5, 5)


def test_the_accuracy_of_always_no_is_given() -> None:
    """Nine of ten are negative: it is 0.9."""
    dealt = Dealt(np.arange(10) == 0, np.full((1, 10), 0.1), np.arange(10))
    content = figures(dealt, 0.5).as_dict()
    assert (content["prevalence"], content["always_no_accuracy"], content["accuracy"]) == (0.1, 0.9, 0.9)


def test_one_class_alone_has_no_ranking_and_no_interval_of_it() -> None:
    """Accuracy and recall are given."""
    content = figures(Dealt(np.ones(8, bool), np.full((2, 8), 0.7), np.arange(8)), 0.5).as_dict()
    assert (content["recall"], content["roc_auc"], content["roc_auc_interval"]) == (1.0, None, None)
    assert content["false_positive_rate_interval"] is None
    assert values(Dealt(np.zeros(0, bool), np.zeros((1, 0)), np.zeros(0, np.intp)), 0.5)["accuracy"] is None
