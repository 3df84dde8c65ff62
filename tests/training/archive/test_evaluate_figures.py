"""Figures of a bundle's answers: recall, false alarms, intervals, by light and by label."""

from pathlib import Path

import pytest

from uncia_contract.runs.labels import LabelledPicture
from uncia_training.archive.evaluate_figures import Said, by_label, by_light, said_figures
from uncia_training.fitting.intervals import exact

POSITIVE = ("leopard",)


def said(
    label: str, probability: float, number: int, light: str = "day", place: str = "", called: str = "leopard"
) -> Said:
    """The answer for a sequence of two frames; a leopard is only on the second."""
    frames = [
        LabelledPicture(f"{number}-{frame}", Path(), shown, f"s{number}", place)
        for frame, shown in enumerate(("blank" if label in POSITIVE else label, label))
    ]
    return Said(frames, probability, light, called)


SAID = [
    *[said("leopard", 0.9, number, place=f"p{number}") for number in range(8)],
    *[said("leopard", 0.2, number, "infrared", f"p{number}") for number in range(8, 10)],
    *[said("fox", 0.1 + number / 200, number, "day", f"p{number}") for number in range(10, 30)],
    *[said("lynx", 0.8, number, "infrared", f"p{number}") for number in range(30, 33)],
]


def test_recall_and_false_alarms_have_intervals() -> None:
    """Eight of ten, three of twenty-three; a sequence is positive if any frame is."""
    found = said_figures(SAID, POSITIVE, 0.5)
    assert (found["n"], found["positives"], found["recall"], found["false_alarms"]) == (33, 10, 0.8, 3)
    assert found["recall_interval"] == pytest.approx(exact(8, 10), abs=0.03)
    assert found["false_positive_rate"] == pytest.approx(3 / 23)
    assert (found["always_no_accuracy"], found["threshold"]) == (pytest.approx(23 / 33), 0.5)


def test_each_light_has_its_figures() -> None:
    """In infrared none of two is found, and all three others are false alarms."""
    found = by_light(SAID, POSITIVE, 0.5)
    assert (found["day"]["recall"], found["day"]["false_alarms"]) == (1.0, 0)
    assert (found["infrared"]["recall"], found["infrared"]["false_alarms"]) == (0.0, 3)


def test_each_label_has_the_number_called_positive() -> None:
    """It shows which animals the false alarms are; the interval is exact for all or none."""
    found = by_label(SAID, POSITIVE, 0.5)
    told = {"n": 3, "positive": False, "called_positive": 3, "share": 1.0, "share_interval": exact(3, 3)}
    assert found["lynx"] == told | {"called": {"none": 0, "leopard": 3}}
    assert (found["fox"]["share"], found["fox"]["share_interval"]) == (0.0, exact(0, 20))
    assert (found["leopard"]["positive"], found["leopard"]["called_positive"]) == (True, 8)


def test_sequences_of_one_place_count_as_one() -> None:
    """The interval of twenty foxes at two places is wider than at twenty."""
    few = [said("fox", 0.1, number, place=f"p{number % 2}") for number in range(20)]
    found = said_figures([*few, *SAID[:10]], POSITIVE, 0.5)
    assert found["false_positive_rate_interval"] == exact(0, 2)


def test_a_lynx_called_fox_is_an_error_of_both() -> None:
    """A row for each label of the data, a column for each positive label and for none; both have figures."""
    lynxes = [said("lynx", 0.9, number, called="fox" if number < 2 else "lynx") for number in range(8)]
    foxes = [said("fox", 0.8 if number < 14 else 0.1, number, called="fox") for number in range(8, 16)]
    found = by_label([*lynxes, *foxes, said("dog", 0.7, 20, called="lynx")], ("lynx", "fox"), 0.5)
    assert {label: one["called"] for label, one in found.items()} == {
        "lynx": {"none": 0, "lynx": 6, "fox": 2}, "fox": {"none": 2, "lynx": 0, "fox": 6},
        "dog": {"none": 0, "lynx": 1, "fox": 0},
    }  # fmt: skip
    assert (found["lynx"]["recall"], found["lynx"]["precision"]) == (6 / 8, 6 / 7)
    assert (found["fox"]["recall"], found["fox"]["precision"]) == (6 / 8, 6 / 8)
    assert "precision" not in found["dog"] and found["lynx"]["share"] == 1.0
