"""Stored features: kept as they come, found again by content, whole after an interruption."""

from pathlib import Path

import numpy as np
import pytest

from uncia_contract.errors import StorageError
from uncia_contract.pictures.region import Region
from uncia_training.features import feature_store
from uncia_training.features.feature_store import FeatureStore, content_key, widened

KEYS = [content_key(bytes([number]), None, "plain") for number in range(3)]


def filled(folder: Path) -> None:
    with FeatureStore(folder, 4, np.float16) as store:
        for number, key in enumerate(KEYS):
            store.add(key, np.full(4, number))


def test_rows_are_found_again_in_the_order_asked_for(tmp_path):
    """A second opening knows the rows of the first."""
    filled(tmp_path)
    with FeatureStore(tmp_path, 4, np.float16) as store:
        assert store.rows([KEYS[2], KEYS[0]]).load()[:, 0].tolist() == [2.0, 0.0]


def test_a_half_written_row_is_cut_off(tmp_path):
    """A power cut in the middle of a row leaves the rows before it."""
    filled(tmp_path)
    with (tmp_path / "rows.bin").open("r+b") as rows:
        rows.truncate(20)
    with FeatureStore(tmp_path, 4, np.float16) as store:
        assert [key in store for key in KEYS] == [True, True, False]
        store.add(KEYS[2], np.full(4, 9))
        assert store.rows(KEYS).load()[:, 0].tolist() == [0.0, 1.0, 9.0]


def test_two_programs_do_not_write_at_once(tmp_path):
    """The second is told to wait or to take another folder."""
    with FeatureStore(tmp_path, 4, np.float16), pytest.raises(StorageError, match="--cache"):
        FeatureStore(tmp_path, 4, np.float16)


def test_key_names_content_part_view_and_rule(monkeypatch):
    """Whatever changes the features changes the key."""
    region = Region(left=0.1, top=0.1, width=0.5, height=0.5)
    keys = {content_key(b"a", None, "plain"), content_key(b"b", None, "plain")}
    keys |= {content_key(b"a", region, "plain"), content_key(b"a", None, "mirror")}
    monkeypatch.setattr(feature_store, "RULE", "bilinear 2")
    keys.add(content_key(b"a", None, "plain"))
    assert len(keys) == 5


def test_columns_are_those_of_all_rows(tmp_path):
    """A block of columns, in the rows' order."""
    filled(tmp_path)
    with FeatureStore(tmp_path, 4, np.float16) as store:
        assert store.rows([KEYS[1], KEYS[2]]).columns(slice(1, 3)).tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_every_finite_half_is_widened_to_the_bit():
    """All 63,488 of them, in any shape; float32 stays what it is."""
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(-1, 2)
    np.testing.assert_array_equal(widened(finite).view(np.uint32), finite.astype(np.float32).view(np.uint32))
    assert widened(np.float32([1.1])) == np.float32(1.1)


def test_what_halves_cannot_hold_becomes_the_largest_that_they_can(tmp_path):
    """Not infinite, which no fit survives: a ResNet with random weights has such features."""
    with FeatureStore(tmp_path, 2, np.float16) as store:
        store.add(KEYS[0], np.array([1e6, -1e6], np.float32))
        assert store.rows(KEYS[:1]).load().tolist() == [[65504.0, -65504.0]]
