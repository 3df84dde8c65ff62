"""Splits keep places and sequences whole and copies together, and impossible splits are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture, sequence_key
from uncia_training.datasets.splits import check_classes, check_units, split_units
from uncia_training.fitting.selection import assign_folds


def picture(name: str, label: str = "cat", sequence: str = "", location: str = "", split: str = "") -> LabelledPicture:
    return LabelledPicture(f"{name}.jpg", Path(f"{name}.jpg"), label, sequence, location, "", "set", split)


PICTURES = [picture("a", location="hill", sequence="1"), picture("b", location="hill", sequence="2"),
            picture("c", sequence="3"), picture("d")]  # fmt: skip


@pytest.mark.parametrize(
    ("split", "count"), [("location", 3), ("sequence", 4), ("random", 4)], ids=["by place", "by sequence", "random"]
)
def test_units_by_place_and_by_sequence(split, count):
    """Two sequences of one place are one unit by place and two by sequence."""
    units, _ = split_units(PICTURES, [0, 1, 2, 3], ["1", "2", "3", "4"], split)
    assert len(set(units)) == count


def test_equal_files_are_kept_on_one_side_and_named():
    """A copy joins its original's unit, and the warning names both."""
    units, warnings = split_units(PICTURES, [0, 1, 2, 3], ["1", "2", "3", "1"], "location")
    assert units[3] == units[0]
    assert "d.jpg: the same bytes as a.jpg" in warnings[0]


def test_copies_in_other_units_are_named_and_counted():
    """The two units stay separate; one line warns of it."""
    units, warnings = split_units(PICTURES, [0, 1, 2, 0], ["1", "2", "3", "4"], "location")
    assert units[3] != units[0]
    assert warnings == [next(line for line in warnings if "1 pictures resemble" in line)]
    assert "d.jpg and a.jpg" in warnings[0]


def test_a_class_of_one_sequence_is_refused():
    """The error names the class, one of its files, and the remedy."""
    pictures = [picture("a", sequence="1"), picture("b", sequence="1"), picture("c", "dog"), picture("d", "dog")]
    with pytest.raises(DataError, match=r"'cat' has 1 sequence, that of a.jpg.*add pictures"):
        check_classes(pictures, ["cat"])


def test_a_data_set_of_test_rows_only_is_refused():
    """The training side would be empty."""
    with pytest.raises(DataError, match="which are not used for training"):
        check_classes([picture("a", split="test"), picture("b", split="Tune")], ["cat"])


def test_a_class_of_one_place_is_refused_with_the_remedy():
    """One side of the split would be empty."""
    units, files = ["hill", "dale", "place  peak", "place  peak"], ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    with pytest.raises(DataError, match=r"'cat' are one unit \(place peak, such as d.jpg\).*--split sequence"):
        check_units(np.array([0, 0, 1, 1]), units, files, ["other", "cat"], "location")


@st.composite
def surveys(draw) -> tuple[list[LabelledPicture], list[str]]:
    """Pictures of a few sequences, places, sources and contents, mixed at random; `sha256` is only a label here.
    among them; the contents are sha256 in name only."""
    some = st.sampled_from
    rows = draw(st.lists(st.tuples(some(["cat", "dog"]), some(["", "1", "2", "3"]), some(["", "hill", "dale"]),
                                   some("abcdefgh")), min_size=2, max_size=14))  # fmt: skip
    pictures = [picture(str(number), label, sequence, location)
                for number, (label, sequence, location, _) in enumerate(rows)]  # fmt: skip
    return pictures, [content for *_, content in rows]


@given(surveys(), st.sampled_from(["location", "source", "sequence"]), st.integers(0, 9))
def test_folds_keep_units_whole(survey, split, seed):
    """For any data: a sequence, the copies of a file and (by location) a place are held out by one fold."""
    pictures, contents = survey
    units, _ = split_units(pictures, range(len(pictures)), contents, split, ["cat"])
    labels = np.array([one.label == "cat" for one in pictures], np.intp)
    folds = assign_folds(labels, units, 3, seed)
    kept = [contents, [sequence_key(one) for one in pictures]]
    if split == "location":
        kept.append([one.location or f"none {number}" for number, one in enumerate(pictures)])
    for keys in kept:
        assert len(set(zip(keys, folds.tolist(), strict=True))) == len(set(keys))


def test_by_source_the_negatives_of_a_source_stay_together():
    """A source without positives is a unit; one with both classes is split by place."""
    others = [LabelledPicture(f"{n}.jpg", Path(f"{n}.jpg"), "dog", n, n, "", "elsewhere", "") for n in "xyz"]
    units, _ = split_units([*PICTURES, *others], range(7), list("1234567"), "source", ["cat"])
    assert (len(set(units[:4])), set(units[4:])) == (3, {"source elsewhere"})
