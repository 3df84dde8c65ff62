"""The two fits for many features, compared with scikit-learn on the same features in memory."""

import numpy as np
import pytest

from uncia_training.comparison.coordinates import coordinates
from uncia_training.features.feature_store import FeatureStore, StoredRows
from uncia_training.fitting.logistic import fit_linear

WIDE, NARROW, PICTURES = 200, 12, 60


def stored(folder, width: int, classes: int = 2) -> tuple[StoredRows, np.ndarray, np.ndarray]:
    """Rows in a store, the same rows in memory, and labels that depend on them."""
    chance = np.random.default_rng(5)
    values = chance.normal(1.0, 2.0, (PICTURES, width)).astype(np.float16).astype(np.float32)
    labels = np.clip((values[:, :3].sum(axis=1) - 1).astype(int) // 3, 0, classes - 1)
    with FeatureStore(folder, width, np.float16) as store:
        keys = [f"{number:064x}" for number in range(PICTURES)]
        for key, row in zip(keys, values, strict=True):
            store.add(key, row)
        return store.rows(keys), values, labels


@pytest.mark.parametrize("classes", [2, 3], ids=["two classes", "three classes"])
@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["fewer features", "more features than pictures"])
def test_streaming_finds_the_fit_of_scikit_learn(tmp_path, monkeypatch, width, classes):
    """The logits agree to 1e-3, with chunks of only a few rows."""
    monkeypatch.setattr("uncia_training.features.feature_store.CHUNK_BYTES", 4 * width * 7)
    rows, values, labels = stored(tmp_path, width, classes)
    streamed = fit_linear(rows, labels, 0.01).logits(rows)
    expected = fit_linear(values, labels, 0.01).logits(values)
    centred = [one - one.mean(axis=1, keepdims=True) for one in (streamed, expected)]
    assert np.abs(centred[0] - centred[1]).max() < 1e-3


def test_coordinates_give_the_same_held_out_logits(tmp_path):
    """200 features become at most 40 coordinates; the logits of 20 held-out pictures agree to 1e-3."""
    rows, values, labels = stored(tmp_path, WIDE)
    own, others = coordinates(rows.take(np.arange(40)), rows.take(np.arange(40, 60)))
    fitted = fit_linear(own, labels[:40], 0.01, scale_features=False).logits(others)
    expected = fit_linear(values[:40], labels[:40], 0.01).logits(values[40:])
    assert own.shape[1] <= 40
    assert np.abs(fitted - expected).max() < 1e-3


def test_streaming_weighs_rare_positives_as_scikit_learn_does(tmp_path):
    """Both solvers take a prevalence of 5 %: the logits agree to 1e-3."""
    rows, values, labels = stored(tmp_path, NARROW)
    prior = np.array([0.95, 0.05])
    streamed, expected = (fit_linear(one, labels, 0.01, prior=prior).logits(values) for one in (rows, values))
    assert np.abs(streamed - expected).max() < 1e-3
    assert np.abs(expected - fit_linear(values, labels, 0.01).logits(values)).max() > 0.1
