"""The feature store: rows are saved as they come, found again by content, and whole after an interruption."""

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
    """Also if the store is opened again."""
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
    """The error of the second one says: wait, or use another folder."""
    with FeatureStore(tmp_path, 4, np.float16), pytest.raises(StorageError, match="--cache"):
        FeatureStore(tmp_path, 4, np.float16)


def test_the_key_depends_on_content_part_view_and_rule(monkeypatch):
    """Each of them changes the features."""
    region = Region(left=0.1, top=0.1, width=0.5, height=0.5)
    keys = {content_key(b"a", None, "plain"), content_key(b"b", None, "plain")}
    keys |= {content_key(b"a", region, "plain"), content_key(b"a", None, "mirror")}
    monkeypatch.setattr(feature_store, "RULE", "bilinear 2")
    keys.add(content_key(b"a", None, "plain"))
    assert len(keys) == 5


def test_columns_are_those_of_all_rows(tmp_path):
    """A block of columns, in the order of the rows."""
    filled(tmp_path)
    with FeatureStore(tmp_path, 4, np.float16) as store:
        assert store.rows([KEYS[1], KEYS[2]]).columns(slice(1, 3)).tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_every_finite_float16_is_converted_exactly():
    """All 63,488, in any shape; float32 is returned unchanged."""
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(-1, 2)
    np.testing.assert_array_equal(widened(finite).view(np.uint32), finite.astype(np.float32).view(np.uint32))
    assert widened(np.float32([1.1])) == np.float32(1.1)


def test_values_too_large_for_float16_become_its_largest(tmp_path):
    """No infinity, which breaks every fit: a ResNet with random weights has such features."""
    with FeatureStore(tmp_path, 2, np.float16) as store:
        store.add(KEYS[0], np.array([1e6, -1e6], np.float32))
        assert store.rows(KEYS[:1]).load().tolist() == [[65504.0, -65504.0]]
