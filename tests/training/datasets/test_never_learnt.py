"""Pictures that no head learns from, put beside those of a data set."""

from pathlib import Path

import pytest

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.never_learnt import beside


def picture(name: str, sequence: str = "", split: str = "", location: str = "") -> LabelledPicture:
    """A cat."""
    return LabelledPicture(name, Path(name), "cat", sequence, location, split=split)


def test_they_are_never_learnt_whatever_their_rows_say() -> None:
    """A split of its own stays; those of the data set are as they were."""
    found = beside([picture("a")], [picture("b"), picture("c", split="train"), picture("d", split="Test")])
    assert [one.split for one in found] == ["", "tune", "tune", "Test"]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (picture("a"), "a is a picture of the other data, too"),
        (picture("b", "s1", location="pass"), "the other data have a sequence 's1', too"),
    ],
    ids=["a picture's name", "a sequence's name"],
)
def test_what_would_be_taken_for_another_one_is_refused(one: LabelledPicture, told: str) -> None:
    """Names are told apart by place, as everywhere."""
    data = [picture("a", "s1", location="pass"), picture("x", "s2")]
    assert len(beside(data, [picture("b", "s1", location="valley")])) == 3
    with pytest.raises(DataError, match=told):
        beside(data, [one])
