"""Splits: places and sequences stay whole, copies stay together, impossible splits are refused."""

from pathlib import Path

import numpy as np
import pytest

from uncia_contract.errors import DataError
from uncia_contract.labels import LabelledPicture
from uncia_training.splits import check_classes, check_units, split_units


def picture(name: str, label: str = "cat", sequence: str = "", location: str = "", split: str = "") -> LabelledPicture:
    return LabelledPicture(f"{name}.jpg", Path(f"{name}.jpg"), label, sequence, location, "", "set", split)


PICTURES = [picture("a", location="hill", sequence="1"), picture("b", location="hill", sequence="2"),
            picture("c", sequence="3"), picture("d")]  # fmt: skip


@pytest.mark.parametrize(
    ("split", "count"), [("location", 3), ("sequence", 4), ("random", 4)], ids=["by place", "by sequence", "random"]
)
def test_units_are_what_stays_whole(split, count):
    """Two sequences of one place are one unit by place and two by sequence."""
    units, _ = split_units(PICTURES, [0, 1, 2, 3], ["1", "2", "3", "4"], split)
    assert len(set(units)) == count


def test_equal_files_are_kept_on_one_side_and_named():
    """A copy joins its original's unit, and the warning names both."""
    units, warnings = split_units(PICTURES, [0, 1, 2, 3], ["1", "2", "3", "1"], "location")
    assert units[3] == units[0]
    assert "d.jpg: the same bytes as a.jpg" in warnings[0]


def test_a_class_of_one_sequence_is_refused():
    """The class is named, and what to do."""
    pictures = [picture("a", sequence="1"), picture("b", sequence="1"), picture("c", "dog"), picture("d", "dog")]
    with pytest.raises(DataError, match=r"'cat' has 1 sequence.*add pictures"):
        check_classes(pictures, ["cat"])


def test_test_rows_alone_leave_nothing_to_learn():
    """All rows of split test: an empty side."""
    with pytest.raises(DataError, match="nothing is left to learn from"):
        check_classes([picture("a", split="test")], ["cat"])


def test_a_class_of_one_place_is_refused_with_the_remedy():
    """One side of the split would be empty."""
    with pytest.raises(DataError, match="--split sequence"):
        check_units(np.array([0, 0, 1, 1]), ["hill", "dale", "peak", "peak"], ["other", "cat"], "location")
