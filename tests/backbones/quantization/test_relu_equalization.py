"""Channels after a ReLU: the same network in float, with more of the range in use."""

import numpy as np
import pytest

from uncia_backbones.efficientnet_lite import load_lite0
from uncia_backbones.flatbuffer import operator_name, unpack
from uncia_backbones.frameworks import keras
from uncia_backbones.quantization.float_runner import FloatRunner
from uncia_backbones.quantization.quantize import calibrated
from uncia_backbones.quantization.relu_equalization import relu_equalized

RELU, RELU6 = 1, 3


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    chance = np.random.default_rng(3)
    return [chance.integers(0, 256, (1, 224, 224, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def network(pictures: list[np.ndarray]) -> bytes:
    """A network with real weights; with random ones all channels have similar ranges."""
    return calibrated(load_lite0().model, "pooled", pictures)


def highest(model: bytes, picture: np.ndarray) -> np.ndarray:
    """The highest activation of the median channel, for each convolution with a ReLU that another convolution reads."""
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


def test_the_float_model_gives_the_same_results(network: bytes, pictures: list[np.ndarray]) -> None:
    """Up to rounding of float32, for the pictures that were used to measure activations."""
    before, after = FloatRunner(network), FloatRunner(relu_equalized(network, pictures, 1.0))
    output = int(unpack(network).subgraphs[0].outputs[0])
    for picture in pictures:
        before.run(picture)
        after.run(picture)
        np.testing.assert_allclose(after.tensor(output), before.tensor(output), atol=1e-4)


def test_channels_use_more_of_the_range(network: bytes, pictures: list[np.ndarray]) -> None:
    """In most layers the median channel is higher than before; no channel exceeds 6."""
    before, after = (highest(model, pictures[0]) for model in (network, relu_equalized(network, pictures, 1.0)))
    awake = before > 0
    assert np.median(after[awake] / before[awake]) > 1.3
    assert after.max() <= 6.0


def test_behind_a_plain_relu_channels_become_alike(pictures: list[np.ndarray]) -> None:
    """Also if two convolutions read it, as in a residual network's first unit; the float results stay."""
    pixels = keras.Input((224, 224, 3), name="pixels")
    x = keras.layers.Conv2D(8, 3, 4, activation="relu", name="writer")(pixels)
    read = [keras.layers.Conv2D(4, size, padding="same", name=f"reader{size}")(x) for size in (1, 3)]
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(keras.layers.Add(name="sum")(read))
    network = keras.Model(pixels, {"pooled": pooled}, name="small")
    kernel, bias = network.get_layer("writer").get_weights()
    network.get_layer("writer").set_weights([kernel * np.geomspace(0.1, 1, 8), bias])
    before = calibrated(network, "pooled", pictures)
    after = relu_equalized(before, pictures, 1.0)
    [low], [high] = (spread(model, pictures[0]) for model in (before, after))
    assert high > 2 * low
    outputs = [features(model, pictures[0]) for model in (before, after)]
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4)


def spread(model: bytes, picture: np.ndarray) -> list[float]:
    """The lowest channel's highest activation as a share of the highest, for each plain ReLU."""
    unpacked, runner = unpack(model), FloatRunner(model)
    runner.run(picture)
    written = [
        runner.tensor(int(one.outputs[0]))
        for one in unpacked.subgraphs[0].operators
        if operator_name(unpacked, one) == "CONV_2D" and one.builtinOptions.fusedActivationFunction == RELU
    ]
    tops = [values.reshape(-1, values.shape[-1]).max(axis=0) for values in written]
    return [float(top[top > 0].min() / top.max()) for top in tops]


def features(model: bytes, picture: np.ndarray) -> np.ndarray:
    runner = FloatRunner(model)
    runner.run(picture)
    return runner.tensor(int(unpack(model).subgraphs[0].outputs[0]))
