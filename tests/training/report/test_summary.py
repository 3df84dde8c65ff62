"""The report's first sentences: what is found at how many false alarms, and which differences can be shown."""

from typing import Any

import pytest

from uncia_training.report.summary import summary


def system(name: str, spread: tuple[float, float] | None = None) -> dict[str, Any]:
    """Finds nine of ten, takes one of twenty others; `spread` is of our accuracy less its own."""
    figures = {"n": 30, "positives": 10, "recall": 0.9, "false_positive_rate": 0.05, "false_alarms_per_day": 1.0}
    exceeded = {"uncia_exceeds_by": {"sequences": {"accuracy_interval": spread}}} if spread else {}
    return {"name": name, "sequences": figures, "sources": {"web": source(30, 10)}, **exceeded}


def source(n: int, positives: int) -> dict[str, Any]:
    """What a report tells of a source of n pictures."""
    return {"n": n, "positives": positives, "accuracy": 0.9, "roc_auc": 0.95 if 0 < positives < n else None}


CONTENT = {
    "systems": [system("L120", (0.1, 0.3)), system("RN1", (-0.01, 0.01)), system("RN2", (-0.3, -0.1)), system("uncia")],
    "settings": {"negatives_per_day": 20.0},
    "never_learnt_from": None,
}


def test_it_says_what_is_found_and_at_how_many_false_alarms() -> None:
    """In counts of sequences, of the system that is shown."""
    said = summary(CONTENT, "uncia")
    assert "<b>uncia</b>, in int8 as on the trap, finds 9 of 10 sequences" in said
    assert "takes 1 of 20 others for it: 1.00 false alarms a day where a trap records 20 other sequences" in said


def test_a_difference_is_one_only_where_its_interval_leaves_out_nothing() -> None:
    """Better, worse, or no difference that these pictures can show."""
    said = summary(CONTENT, "uncia")
    assert "better than L120; worse than RN2; no difference that these pictures can show to RN1." in said


def test_without_ours_no_difference_is_told() -> None:
    """The best of the others is shown, which need not run on a trap."""
    said = summary({**CONTENT, "systems": [system("L120")]}, "L120")
    assert said.count("<li>") == 1
    assert "int8" not in said


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ({"web": source(30, 19), "trap": source(20, 1)}, None),
        ({"web": source(30, 10), "trap": source(20, 10), "zoo": source(20, 0)}, None),
        ({"web": source(30, 19), "trap": source(20, 1), "zoo": source(20, 0)}, "accuracy 0.900, ROC AUC 0.950."),
        ({"web": source(30, 30), "trap": source(20, 0)}, "shows nothing else"),
    ],
    ids=["all sources show it", "two sources show it", "one and hardly another", "one that shows nothing else"],
)
def test_it_says_when_a_source_tells_the_class(sources: dict[str, Any], told: str | None) -> None:
    """Then a system may have learnt the sources; what holds within the one is said."""
    said = summary({**CONTENT, "systems": [{**system("uncia"), "sources": sources}]}, "uncia")
    assert ("come from one source, web" in said, (told or "<b>") in said) == (told is not None, True)
