"""Features computed by release 0.1 are found again: the rows of its store, under its keys."""

from pathlib import Path

import numpy as np

from uncia_training.features.feature_store import FeatureStore, content_key

FEATURES = 8


def test_rows_are_found_by_the_keys_of_release_0_1(release: Path) -> None:
    """Every picture has its row, and one more can be added."""
    station = release / "workstation"
    pictures = sorted((station / "pictures").glob("*.jpg"))
    keys = [content_key(path.read_bytes(), None, "whole") for path in pictures]
    with FeatureStore(station / "features" / "small" / "pooled", FEATURES, np.float16) as store:
        rows = store.rows(keys).load()
        store.add("f" * 64, np.zeros(FEATURES))
        assert len(store) == len(pictures) + 1
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(pictures)) / 8)
