"""Figures: right where they can be checked by hand, and honest where there is nothing to rank."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from uncia_training.fitting.metrics import _ranked, intervals, measure


def test_figures_of_a_small_set_are_right() -> None:
    """Three of four right; three of four pairs ranked right."""
    figures = measure([False, False, True, True], [0.1, 0.6, 0.55, 0.9])
    assert (figures.n, figures.accuracy, figures.roc_auc) == (4, 0.75, 0.75)


def test_one_class_alone_is_not_ranked() -> None:
    """No figure is better than a false one."""
    assert measure([True, True], [0.9, 0.2]).roc_auc is None


def test_frames_of_one_sequence_count_as_one_observation() -> None:
    """Copies of every frame do not narrow the interval."""
    truth, scores = [False, True] * 20, [((7 * i) % 40) / 40 for i in range(40)]
    groups = [str(i) for i in range(40)]
    once = intervals(truth, scores, groups, draws=200)
    thrice = intervals(truth * 3, scores * 3, groups * 3, draws=200)
    assert thrice.accuracy == pytest.approx(once.accuracy)


def test_an_interval_holds_its_figure() -> None:
    """Seeded, so that a report says the same twice."""
    truth, scores = [False, True] * 30, [(i % 7) / 7 for i in range(60)]
    low, high = intervals(truth, scores, [str(i) for i in range(60)], draws=300).accuracy
    assert low <= measure(truth, scores).accuracy <= high


def test_each_draw_is_what_scikit_learn_says_of_it():
    """ROC AUC and average precision of a weighted draw, ties included, agree to 1e-12."""
    chance = np.random.default_rng(1)
    actual, given = chance.random(40) < 0.4, chance.integers(0, 12, 40) / 12
    counts = chance.integers(0, 3, (5, 40)).astype(float)
    drawn = _ranked(actual, given, counts)
    expected = [roc_auc_score(actual, given, sample_weight=row) for row in counts]
    assert np.abs(drawn["roc_auc"] - expected).max() < 1e-12
    expected = [average_precision_score(actual, given, sample_weight=row) for row in counts]
    assert np.abs(drawn["average_precision"] - expected).max() < 1e-12
