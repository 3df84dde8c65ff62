"""The table of thresholds, counted by hand on five sequences."""

from typing import Any

import numpy as np
import pytest

from uncia_training.fitting.threshold_table import THRESHOLDS, table_lines, threshold_table

TRUTH = np.array([True, True, False, False, False])
SCORES = np.array([[0.9, 0.4, 0.6, 0.1, 0.0]])
PICTURES = np.array([3, 3, 10, 1, 1])


def row(threshold: float, **other: Any) -> dict[str, Any]:
    """The row of one threshold."""
    given = {"truth": TRUTH, "scores": SCORES, "pictures": PICTURES, "negatives_per_day": 6.0, "in_use": 0.5, **other}
    return next(one for one in threshold_table(**given) if one["threshold"] == threshold)


@pytest.mark.parametrize(
    ("threshold", "recall", "alarms", "a_day", "pictures"),
    [(0.5, 0.5, 1, 2.0, 13), (0.4, 1.0, 1, 2.0, 16), (0.05, 1.0, 2, 4.0, 17), (0.95, 0.0, 0, 0.0, 0)],
    ids=["between", "a score at the threshold reaches it", "low", "high"],
)
def test_a_row_counts_what_reaches_its_threshold(
    threshold: float, recall: float, alarms: float, a_day: float, pictures: float
) -> None:
    """Recall and false alarms count sequences; the work counts pictures of positive sequences."""
    found = row(threshold)
    names = ("recall", "false_alarms", "false_alarms_per_day", "pictures_to_look_at", "share_to_look_at")
    assert [found[name] for name in names] == pytest.approx([recall, alarms, a_day, pictures, pictures / 18])


def test_the_threshold_in_use_has_a_row_of_its_own() -> None:
    """At its place in the order."""
    rows = threshold_table(TRUTH, SCORES, PICTURES, None, 0.437)
    assert [one["threshold"] for one in rows] == sorted([*THRESHOLDS, 0.437])
    assert [one["threshold"] for one in rows if one["in_use"]] == [0.437]


def test_figures_of_several_deals_are_their_mean() -> None:
    """As everywhere in a comparison."""
    both = np.concatenate([SCORES, SCORES * 0])
    assert (row(0.4, scores=both)["recall"], row(0.4, scores=both)["false_alarms"]) == (0.5, 0.5)


def test_what_the_data_do_not_define_is_null() -> None:
    """Recall without positives, alarms a day without times, rates without negatives."""
    assert row(0.5, truth=np.zeros(5, bool))["recall"] is None
    assert row(0.5, negatives_per_day=None)["false_alarms_per_day"] is None
    assert row(0.5, truth=np.ones(5, bool))["false_positive_rate"] is None
    assert threshold_table(TRUTH[:0], SCORES[:, :0], PICTURES[:0], None, 0.5) == []


def test_the_table_is_aligned_and_marks_the_threshold_in_use() -> None:
    """With a star; an unknown value is a dash."""
    lines = table_lines(threshold_table(TRUTH, SCORES, PICTURES, None, 0.5))
    assert {len(line) for line in lines} == {62}
    assert [line.split() for line in lines if line.startswith("*")] == [
        ["*", "0.500", "0.500", "1.0", "–", "13", "(72.2%)"]
    ]
