"""Channels behind a ReLU6: the same network in float, more of 0 to 6 in use."""

import numpy as np
import pytest

from uncia_backbones.efficientnet_lite0 import load
from uncia_backbones.flatbuffer import operator_name, unpack
from uncia_backbones.float_runner import FloatRunner
from uncia_backbones.quantize import calibrated
from uncia_backbones.stretch import stretched

RELU6 = 3


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    chance = np.random.default_rng(3)
    return [chance.integers(0, 256, (1, 224, 224, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def network(pictures: list[np.ndarray]) -> bytes:
    """Real weights: with random ones all channels are alike."""
    return calibrated(load().model, "pooled", pictures)


def highest(model: bytes, picture: np.ndarray) -> np.ndarray:
    """The median channel's highest activation, for each rectified convolution that another one reads."""
    unpacked = unpack(model)
    written = [
        int(one.outputs[0])
        for one in unpacked.subgraphs[0].operators
        if operator_name(unpacked, one) in ("CONV_2D", "DEPTHWISE_CONV_2D")
        and one.builtinOptions.fusedActivationFunction == RELU6
    ]
    runner = FloatRunner(model)
    runner.run(picture)
    values = [runner.tensor(tensor) for tensor in written[:-1]]
    return np.array([np.median(each.reshape(-1, each.shape[-1]).max(axis=0)) for each in values])


def test_float_computes_what_it_did(network: bytes, pictures: list[np.ndarray]) -> None:
    """To the rounding of float32, for pictures whose activations were looked at."""
    before, after = FloatRunner(network), FloatRunner(stretched(network, pictures, 1.0))
    output = int(unpack(network).subgraphs[0].outputs[0])
    for picture in pictures:
        before.run(picture)
        after.run(picture)
        np.testing.assert_allclose(after.tensor(output), before.tensor(output), atol=1e-4)


def test_channels_use_more_of_the_range(network: bytes, pictures: list[np.ndarray]) -> None:
    """The median channel reaches higher than before, in most layers, and none goes beyond the 6."""
    before, after = (highest(model, pictures[0]) for model in (network, stretched(network, pictures, 1.0)))
    awake = before > 0
    assert np.median(after[awake] / before[awake]) > 1.3
    assert after.max() <= 6.0
