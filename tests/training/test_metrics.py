"""Figures: right where they can be checked by hand, and honest where there is nothing to rank."""

import pytest

from uncia_training.metrics import intervals, measure


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
