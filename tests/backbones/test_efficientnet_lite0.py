"""EfficientNet-Lite0: the port gives what an independent implementation gives."""

from pathlib import Path

import numpy as np
import pytest

from uncia_backbones.efficientnet_lite0 import FEATURES, build, packaged_checkpoint
from uncia_backbones.registry import backbone
from uncia_backbones.weights.tensors import SeededTensors
from uncia_backbones.weights.torch_checkpoint import read_tensors
from uncia_contract.errors import DataError


def test_pooled_features_agree_with_the_reference(shared: Path) -> None:
    """Four pictures, within 1e-3; the classifier's logits on top of them, too."""
    golden = np.load(shared / "golden/efficientnet_lite0.npz")
    features = backbone("efficientnet-lite0").load().features(golden["images"])
    np.testing.assert_allclose(features, golden["pooled_features"], atol=1e-3)
    tensors = read_tensors(packaged_checkpoint())
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-3)


def test_pooled_is_the_mean_of_the_map() -> None:
    """Both layers come from one pass."""
    network = backbone("efficientnet-lite0").load("random:1")
    pixels = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    grid = network.features(pixels, "map")
    assert grid.shape == (1, 7, 7, FEATURES)
    np.testing.assert_allclose(grid.mean(axis=(1, 2)), network.features(pixels, "pooled"), atol=1e-5)


def test_a_seed_gives_the_same_network_again() -> None:
    """Random weights depend on the seed alone."""
    one, again, other = (build(SeededTensors(seed)).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("weights", "cut", "message"),
    [
        ("random:one", None, "expected random:SEED"),
        ("/nowhere/w.pth", None, "cannot be read"),
        (None, "stage3", "no cut 'stage3'; expected none"),
    ],
    ids=["seed", "file", "cut"],
)
def test_bad_requests_are_refused(weights: str | None, cut: str | None, message: str) -> None:
    """Before anything is built."""
    with pytest.raises(DataError, match=message):
        backbone("efficientnet-lite0").load(weights, cut)


def test_an_unknown_backbone_lists_the_known_ones() -> None:
    """The message is the table."""
    with pytest.raises(DataError, match="no backbone 'vgg'; expected efficientnet-lite0"):
        backbone("vgg")
