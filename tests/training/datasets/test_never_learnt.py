"""Pictures that are never used for training, added to those of a data set."""

from pathlib import Path

import pytest

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.never_learnt import beside


def picture(name: str, sequence: str = "", split: str = "", location: str = "") -> LabelledPicture:
    """A cat."""
    return LabelledPicture(name, Path(name), "cat", sequence, location, split=split)


def test_added_pictures_are_never_learnt_whatever_their_split() -> None:
    """A split of theirs stays; the pictures of the data set do not change."""
    found = beside([picture("a")], [picture("b"), picture("c", split="train"), picture("d", split="Test")])
    assert [one.split for one in found] == ["", "tune", "tune", "Test"]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (picture("a"), "a is also a picture of the other data"),
        (picture("b", "s1", location="pass"), "the other data also have a sequence 's1'"),
    ],
    ids=["a picture's name", "a sequence's name"],
)
def test_names_that_are_in_both_sets_are_refused(one: LabelledPicture, told: str) -> None:
    """Names are compared together with their place, as everywhere."""
    data = [picture("a", "s1", location="pass"), picture("x", "s2")]
    assert len(beside(data, [picture("b", "s1", location="valley")])) == 3
    with pytest.raises(DataError, match=told):
        beside(data, [one])
