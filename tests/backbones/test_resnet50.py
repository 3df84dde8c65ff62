"""ResNet-50 of Keras Applications: the same features for RGB pixels, with weights from a file or a seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uncia_backbones import resnet50
from uncia_backbones.frameworks import keras
from uncia_backbones.network import Network
from uncia_backbones.registry import backbone
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.errors import DataError

PIXELS = np.random.default_rng(5).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def keras_own() -> Any:
    """Keras' own model with seeded weights."""
    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3))
    resnet50.fill(network, SeededTensors(4))
    return network


@pytest.fixture(scope="module")
def ours() -> Iterator[Network]:
    yield backbone("resnet50").load("random:4")


def expected(network: Any) -> np.ndarray:
    """The map of Keras' model after Keras' preprocessing."""
    prepared = keras.applications.resnet50.preprocess_input(PIXELS.astype(np.float32))
    return np.asarray(network.predict_on_batch(prepared))


def test_the_map_is_that_of_keras(keras_own: Any, ours: Network) -> None:
    """7x7x2048, within 1e-4 of the largest value, with preprocessing in the graph."""
    wanted = expected(keras_own)
    found = ours.features(PIXELS, "map")
    assert found.shape == (2, 7, 7, 2048)
    np.testing.assert_allclose(found / wanted.max(), wanted / wanted.max(), atol=1e-4)


def test_pooled_is_that_of_keras(keras_own: Any, ours: Network) -> None:
    """The mean of the map, 2048 features."""
    wanted = expected(keras_own).mean(axis=(1, 2))
    np.testing.assert_allclose(ours.features(PIXELS) / wanted.max(), wanted / wanted.max(), atol=1e-4)


@pytest.mark.parametrize(("cut", "count"), [("stage2", 512), ("stage3", 1024)])
def test_it_can_be_cut(cut: str, count: int) -> None:
    """After stage 2 or stage 3."""
    assert backbone("resnet50").load("random:4", cut).count("pooled") == count


def test_weights_come_from_a_file(keras_own: Any, ours: Network, tmp_path: Path) -> None:
    """A file saved by Keras gives the same results; `weights_sha256` is the file's."""
    keras_own.save_weights(tmp_path / "mine.weights.h5")
    loaded = backbone("resnet50").load(str(tmp_path / "mine.weights.h5"))
    np.testing.assert_array_equal(loaded.features(PIXELS[:1]), ours.features(PIXELS[:1]))
    assert len(loaded.weights_sha256) == 64


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    """One line says which file is expected."""
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(DataError, match=r"no weights of Keras' ResNet50.*notop\.h5"):
        backbone("resnet50").load(str(tmp_path / "other.weights.h5"))


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5", "w.npz"])
def test_a_file_without_weights_is_refused(tmp_path: Path, name: str) -> None:
    """With any suffix."""
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(DataError, match="no weights of Keras' ResNet50"):
        backbone("resnet50").load(str(tmp_path / name))


def test_without_network_the_error_says_how_to_get_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the file, its address, and `random:SEED`."""

    def unreachable(*_arguments: Any, **_options: Any) -> str:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", unreachable)
    with pytest.raises(DataError, match=r"cannot be downloaded.*--weights resnet50_weights.*random:SEED"):
        backbone("resnet50").load()
