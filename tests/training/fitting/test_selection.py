"""Selection: which crops are held out together, and which penalty is chosen."""

import numpy as np
import pytest

from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.similar_hashes import miniature
from uncia_training.fitting.logistic import calibrate, fit_linear, to_head
from uncia_training.fitting.selection import Samples, assign_folds, choose, probabilities


def samples(count: int = 200, features: int = 12, seed: int = 0) -> Samples:
    """Two classes that overlap, with two crops in each group."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    points = chance.normal(size=(count, 1, features)) + labels[:, None, None] * 0.8
    groups = [f"g{number // 2}" for number in range(count)]
    return Samples(points.astype(np.float32), labels.astype(np.intp), groups, np.ones(1))


def test_a_group_is_held_out_whole() -> None:
    """Near-duplicates and sequences are never on both sides."""
    one = samples()
    folds = assign_folds(one.labels, one.groups, 5)
    assert all(
        len({fold for fold, own in zip(folds, one.groups, strict=True) if own == group}) == 1 for group in one.groups
    )


def test_every_fold_holds_out_positives() -> None:
    """A fold without positives could not be scored."""
    one = samples()
    folds = assign_folds(one.labels, one.groups, 5)
    assert {int(fold) for fold, label in zip(folds, one.labels, strict=True) if label} == {0, 1, 2, 3, 4}


@pytest.mark.heavy
def test_the_strongest_penalty_within_one_error_of_the_best_is_chosen() -> None:
    """Breiman's rule, checked by hand with the figures of the trials."""
    one = samples()
    trials = choose(one, assign_folds(one.labels, one.groups, 5), (0.0001, 0.001, 0.01, 0.1))
    least = min(trials, key=lambda trial: trial.loss)
    within = [trial.c for trial in trials if trial.loss - least.loss <= trial.error]
    assert trials[0].c == min(within)


def test_standardisation_is_folded_into_the_weights() -> None:
    """A feature that is shifted and scaled changes the weights, not the probabilities."""
    one = samples()
    flat = one.features[:, 0]
    moved = (flat * 7 + 3).astype(np.float32)
    plain, shifted = fit_linear(flat, one.labels, 0.1), fit_linear(moved, one.labels, 0.1)
    assert np.abs(plain.logits(flat) - shifted.logits(moved)).max() < 1e-3


def test_calibration_makes_held_out_probabilities_true() -> None:
    """The logits are four times too large; after it about 0.8 of those near 0.8 are positive."""
    chance = np.random.default_rng(1)
    margin = chance.normal(0, 2, 40_000)
    labels = (chance.random(40_000) < 1 / (1 + np.exp(-margin))).astype(np.intp)
    logits = np.stack([-2 * margin, 2 * margin], axis=1)
    given = probabilities(logits, calibrate(logits, labels))[:, 1]
    near = (given > 0.75) & (given < 0.85)
    assert labels[near].mean() == pytest.approx(0.8, abs=0.03)


def test_the_head_gives_the_calibrated_probabilities() -> None:
    """Training's float64 and the trap's float32 agree."""
    one = samples()
    flat = one.features[:, 0]
    linear = fit_linear(flat, one.labels, 0.1)
    calibration = calibrate(linear.logits(flat), one.labels)
    expected = probabilities(linear.logits(flat), calibration)
    assert np.abs(to_head(linear, calibration).probabilities(flat) - expected).max() < 1e-5


def test_a_picture_scaled_and_compressed_again_is_a_duplicate() -> None:
    """The hash depends on the picture's content, not on its file."""
    from PIL import Image

    chance = np.random.default_rng(2)
    pictures = [
        Image.fromarray(chance.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
        for _ in range(5)
    ]
    again = pictures[3].resize((90, 110), Image.Resampling.BILINEAR)
    hashes = [miniature(np.asarray(picture)) for picture in [*pictures, again]]
    assert duplicate_groups(hashes) == [0, 1, 2, 3, 4, 3]
