"""The report's first sentences: found sequences, false alarms, the ranking, and which systems differ."""

from itertools import combinations
from typing import Any

import pytest

from uncia_training.report.ranking import ranking_lines
from uncia_training.report.summary import summary


def system(name: str) -> dict[str, Any]:
    """A system that finds nine of ten, with false alarms in one of twenty negatives."""
    figures = {"n": 30, "positives": 10, "recall": 0.9, "false_positive_rate": 0.05, "false_alarms_per_day": 1.0}
    return {"name": name, "sequences": figures, "sources": {"web": source(30, 10)}}


def ranked(told_apart: set[tuple[str, str]], *names: str) -> dict[str, Any]:
    """The ranking of a report with systems in this order."""
    pairs = [{"one": one, "other": other, "told_apart": (one, other) in told_apart}
             for one, other in combinations(names, 2)]  # fmt: skip
    return {"systems": [{"name": name, "value": 0.9, "value_interval": (0.8, 0.95)} for name in names], "pairs": pairs}


def source(n: int, positives: int) -> dict[str, Any]:
    """The report's row of a source with n pictures."""
    return {"n": n, "positives": positives, "accuracy": 0.9, "roc_auc": 0.95 if 0 < positives < n else None}


CONTENT = {
    "systems": [system("L120"), system("RN1"), system("uncia")],
    "ranking": {
        "recall_at_1_percent_false_positives": ranked({("RN1", "L120"), ("uncia", "L120")}, "RN1", "uncia", "L120"),
        "average_precision": ranked(set(), "uncia", "RN1", "L120"),
    },
    "settings": {"negatives_per_day": 20.0},
    "never_learnt_from": None,
}


def test_found_sequences_and_false_alarms_are_counted() -> None:
    """For the system that is shown."""
    said = summary(CONTENT, "uncia")
    assert "<b>uncia</b>, in int8 as on the trap, finds 9 of 10 positive sequences" in said
    rate = "1.00 false alarms a day if a trap records 20 negative sequences"
    assert f"with false alarms in 1 of 20 negative ones: {rate}" in said


def test_systems_are_ranked_by_recall_and_by_average_precision() -> None:
    """With intervals, the best first; the rate of false alarms also as a number of sequences."""
    said = summary(CONTENT, "uncia")
    assert (
        "By recall of sequences at 1 % false alarms (at most 0 of 20): RN1 0.900 (0.800 to 0.950), uncia 0.900 ("
        in said
    )
    assert "By average precision of sequences: uncia 0.900" in said


@pytest.mark.parametrize(
    ("told_apart", "said"),
    [
        ({("a", "b"), ("a", "c")}, "show a difference between a and all others."),
        ({("b", "c")}, "show no difference between a and any other."),
        ({("a", "c"), ("b", "c")}, "show no difference between a and b."),
    ],
    ids=["the first from all", "the first from none", "the first from one"],
)
def test_only_systems_as_good_as_the_first_are_named(told_apart: set[tuple[str, str]], said: str) -> None:
    """All pairs of seven systems would fill a page; they are in report.json."""
    by = ranked(told_apart, "a", "b", "c")
    content = {**CONTENT, "systems": [system("a"), system("b"), system("c")], "ranking": {"average_precision": by}}
    assert ranking_lines(content)[0].endswith(said)


def test_systems_without_a_difference_are_named() -> None:
    """By one figure a pair, by the other all of them."""
    said = summary(CONTENT, "uncia")
    assert "The data show no difference between RN1 and uncia.</li>" in said
    assert "The data show no difference between any two of them.</li>" in said


def test_one_system_is_not_ranked() -> None:
    """Here the shown system is one that cannot run on a trap."""
    alone = ranked(set(), "L120")
    said = summary({**CONTENT, "systems": [system("L120")], "ranking": {"average_precision": alone}}, "L120")
    assert said.count("<li>") == 1
    assert "int8" not in said


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ({"web": source(30, 19), "trap": source(20, 1)}, None),
        ({"web": source(30, 10), "trap": source(20, 10), "zoo": source(20, 0)}, None),
        ({"web": source(30, 19), "trap": source(20, 1), "zoo": source(20, 0)}, "accuracy 0.900, ROC AUC 0.950."),
        ({"web": source(30, 30), "trap": source(20, 0)}, "has no negatives"),
    ],
    ids=["all sources show it", "two sources show it", "one and hardly another", "one that shows nothing else"],
)
def test_a_source_that_tells_the_class_is_a_warning(sources: dict[str, Any], told: str | None) -> None:
    """A system may recognize the source; the figures within it are given."""
    said = summary({**CONTENT, "systems": [{**system("uncia"), "sources": sources}]}, "uncia")
    assert ("come from one source, web" in said, (told or "<b>") in said) == (told is not None, True)
