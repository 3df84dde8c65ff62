"""The folds of the recipe: units stay whole, unless one side would lack a class."""

from pathlib import Path

import numpy as np
import pytest

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.head_fit import Recipe, Rows


def rows(labels: list[int], units: list[str], sequences: list[str]) -> Rows:
    """Pictures with these labels."""
    pictures = [LabelledPicture(f"{n}.jpg", Path(), "x", sequence=one) for n, one in enumerate(sequences)]
    stored = StoredRows(Path(), list(range(len(labels))), 4, np.dtype(np.float32))
    crops, numbers = tuple(Crop(picture, None) for picture in pictures), np.arange(len(labels))
    return Rows(stored, tuple(map(str, numbers)), 1, crops, np.array(labels), np.array(units), numbers, numbers >= 0)


def test_units_are_held_out_whole() -> None:
    """If each class has several units."""
    units = [f"place {n // 3}" for n in range(18)]
    folds = Recipe(0).folds(rows([n // 3 % 2 for n in range(18)], units, [f"s{n}" for n in range(18)]))
    assert len({*zip(units, folds.tolist(), strict=True)}) == 6


def test_a_class_of_one_place_is_held_out_by_sequences() -> None:
    """The place has two sequences: each side gets one."""
    sequences = ["a", "a", "b", "b", "c", "c", "d", "d"]
    folds = Recipe(0).folds(rows([1] * 4 + [0] * 4, ["one"] * 4 + ["two", "two", "three", "three"], sequences))
    assert (folds[0], folds[2]) == (folds[1], folds[3]) and folds[0] != folds[2]


@pytest.mark.parametrize("seed", range(6))
def test_negatives_of_places_with_positives_are_never_all_held_out(seed: int) -> None:
    """Their places follow the folds of the positives, and could all be in one fold."""
    units = [f"place {n}" for n in range(6)] + ["place 0", "place 3"]
    labels = np.array([1] * 6 + [0] * 2)
    folds = Recipe(seed).folds(rows(labels.tolist(), units, [f"s{n}" for n in range(8)]))
    assert all(len(set(folds[labels == label].tolist())) > 1 for label in (0, 1))


def test_a_class_of_one_picture_is_refused() -> None:
    """The error names the class."""
    with pytest.raises(DataError, match=r"2\.jpg: the only picture of its class"):
        Recipe(0).folds(rows([0, 0, 1], ["a", "b", "c"], ["a", "b", "c"]))
