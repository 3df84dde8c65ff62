"""Precision and recall of each positive label: a lynx that is called a fox is an error of both labels."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from uncia_training.fitting.intervals import exact
from uncia_training.fitting.label_figures import Called, called_class, confusion, label_figures

CHANCE = np.random.default_rng(7)
TRUTH = CHANCE.integers(0, 3, 120)
CALLED = np.where(CHANCE.random((3, 120)) < 0.7, TRUTH, CHANCE.integers(0, 3, (3, 120)))
ITEMS = Called(TRUTH, CALLED, np.arange(120) // 2)


def test_the_sum_reaches_the_threshold_and_the_likeliest_label_is_called() -> None:
    """No label alone reaches 0.5, but their sum does."""
    rows = np.array([[0.4, 0.25, 0.35], [0.6, 0.1, 0.3], [0.1, 0.8, 0.1]])
    assert called_class(rows, 1 - rows[:, 0], 0.5).tolist() == [2, 0, 1]


@pytest.mark.parametrize("number", [1, 2])
def test_figures_equal_scikit_learns_and_lie_in_their_intervals(number: int) -> None:
    """They are the mean over the deals."""
    found = label_figures(ITEMS, number)
    for name, measure in (("precision", precision_score), ("recall", recall_score)):
        deals = [measure(number == TRUTH, called == number) for called in CALLED]
        low, high = found[f"{name}_interval"]
        assert found[name] == pytest.approx(np.mean(deals)) and low < found[name] < high
    assert found["n"] == (number == TRUTH).sum()


def test_the_table_is_the_mean_of_the_deals() -> None:
    """A row for each true class, also `other`; a column for each called class, also `none`."""
    assert np.array(confusion(ITEMS, 3)) == pytest.approx(
        np.mean([confusion_matrix(TRUTH, called) for called in CALLED], axis=0)
    )


def test_a_lynx_called_fox_is_an_error_of_both() -> None:
    """The sum has no error; the lynx's recall and the fox's precision are 0.5."""
    items = Called(np.array([1, 1, 2, 0]), np.array([[1, 2, 2, 0]]), np.arange(4))
    lynx, fox = label_figures(items, 1), label_figures(items, 2)
    assert [lynx["precision"], lynx["recall"], fox["precision"], fox["recall"]] == [1.0, 0.5, 0.5, 1.0]
    assert fox["recall_interval"] == exact(1, 1)


def test_an_undefined_figure_is_none() -> None:
    """A label that no picture has and that is never called."""
    items = Called(np.array([0, 1]), np.array([[0, 1]]), np.arange(2))
    assert label_figures(items, 2) == {
        "n": 0, "precision": None, "precision_interval": None, "recall": None, "recall_interval": None,
    }  # fmt: skip
