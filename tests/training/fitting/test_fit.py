"""The gate's heads are the heads of the cross-validation: each is fitted without the pictures it scores."""

from pathlib import Path

import numpy as np
import pytest

from uncia_contract.runs.held_out import NO_FOLD
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.fitting.fit import fold_heads
from uncia_training.fitting.logistic import fit_linear, to_head
from uncia_training.fitting.selection import Choice, Samples, assign_folds, choose

PICTURES = 40


def picture(number: int) -> LabelledPicture:
    return LabelledPicture(f"{number}.jpg", Path(f"{number}.jpg"), "cat", sequence=f"s{number // 4}")


@pytest.fixture(scope="module")
def fitted() -> tuple[Samples, Choice]:
    labels = (np.arange(PICTURES) // 4 % 2).astype(np.intp)
    features = np.random.default_rng(4).standard_normal((PICTURES, 1, 3)).astype(np.float32) + labels[:, None, None]
    groups = [picture(number).sequence for number in range(PICTURES)]
    samples = Samples(features, labels, groups, np.ones(1))
    return samples, choose(samples, assign_folds(labels, groups, 5), (0.01,))[0]


def test_a_gate_head_is_fitted_without_the_pictures_it_scores(fitted: tuple[Samples, Choice]) -> None:
    """It equals the fit on the other folds, to the bit."""
    samples, choice = fitted
    found = fold_heads([picture(n) for n in range(PICTURES)], [picture(n) for n in range(PICTURES)], choice)
    others = found.folds != 2
    alone = to_head(fit_linear(*samples.rows(others)[:2], 0.01, samples.rows(others)[2]), choice.calibration)
    assert np.array_equal(found.heads[2].weights, alone.weights)


def test_a_sequence_is_in_one_fold(fitted: tuple[Samples, Choice]) -> None:
    """The four pictures of each of ten sequences."""
    pictures = [picture(number) for number in range(PICTURES)]
    folds = fold_heads(pictures, pictures, fitted[1]).folds.reshape(-1, 4)
    assert (np.ptp(folds, axis=1).max(), len(np.unique(folds))) == (0, 5)


def test_a_picture_that_could_not_be_used_has_no_fold(fitted: tuple[Samples, Choice]) -> None:
    """The folds are in the order of the run's pictures."""
    pictures = [picture(number) for number in range(PICTURES)]
    folds = fold_heads([picture(99), *pictures], pictures, fitted[1]).folds
    assert (folds[0], (folds[1:] == NO_FOLD).any()) == (NO_FOLD, False)
