"""Linear streams: the same network in float, with channels of similar ranges."""

from collections.abc import Callable

import numpy as np
import pytest

from uncia_backbones.efficientnet_lite import load_lite0
from uncia_backbones.flatbuffer import unpack
from uncia_backbones.quantization.float_runner import FloatRunner
from uncia_backbones.quantization.linear_equalization import linear_equalized, streams
from uncia_backbones.quantization.quantize import calibrated
from uncia_backbones.quantization.relu_equalization import relu_equalized
from uncia_backbones.registry import backbone


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    chance = np.random.default_rng(3)
    return [chance.integers(0, 256, (1, 224, 224, 3), np.uint8) for _ in range(4)]


@pytest.fixture(scope="module")
def network(pictures: list[np.ndarray]) -> bytes:
    """A network with real weights; with random ones all channels have similar ranges."""
    return calibrated(load_lite0().model, "pooled", pictures)


def spans(model: bytes, tensors: list[int], picture: np.ndarray) -> np.ndarray:
    """The range of the narrowest tenth of the channels, as a share of the widest, by tensor."""
    runner = FloatRunner(model)
    runner.run(picture)
    ranges = [np.ptp(runner.tensor(tensor).reshape(-1, runner.tensor(tensor).shape[-1]), axis=0) for tensor in tensors]
    return np.array([np.quantile(each, 0.1) / each.max() for each in ranges])


def test_each_stage_is_one_stream(network: bytes) -> None:
    """Writers, additions and readers of EfficientNet-Lite0's seven stages."""
    found = [(len(one.writers), len(one.additions), len(one.readers)) for one in streams(unpack(network))]
    assert found == [(1, 0, 1), (2, 1, 2), (2, 1, 2), (3, 2, 3), (3, 2, 3), (4, 3, 4), (1, 0, 1)]


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_float_model_gives_the_same_results(network: bytes, pictures: list[np.ndarray], power: float) -> None:
    """Up to rounding of float32; also for a picture that was not used to measure ranges."""
    changed = linear_equalized(network, pictures[:2], power)
    before, after = FloatRunner(network), FloatRunner(changed)
    output = int(unpack(network).subgraphs[0].outputs[0])
    for picture in pictures:
        before.run(picture)
        after.run(picture)
        np.testing.assert_allclose(after.tensor(output), before.tensor(output), atol=1e-4)


def test_channels_become_alike(network: bytes, pictures: list[np.ndarray]) -> None:
    """The narrow channels of each stream use more of its range than before."""
    tensors = [int(one.outputs[0]) for stream in streams(unpack(network)) for one in stream.writers]
    before = spans(network, tensors, pictures[0])
    after = spans(linear_equalized(network, pictures, 1.0), tensors, pictures[0])
    assert np.median(after) > 1.3 * np.median(before)


@pytest.fixture(scope="module")
def preactivated(pictures: list[np.ndarray]) -> bytes:
    """ResNet-50 v2 up to stage 2: its sums are followed by batch norms as depthwise convolutions of 1x1."""
    return calibrated(backbone("resnet50v2").load("random:2", "stage2").model, "pooled", pictures)


def test_a_batch_norm_behind_a_sum_reads_a_stream(preactivated: bytes) -> None:
    """In each stage, shortcut and units are writers, and the batch norm after each sum is a reader."""
    found = [(len(one.writers), len(one.additions), len(one.readers)) for one in streams(unpack(preactivated))]
    assert found == [(4, 3, 3), (5, 4, 4)]


@pytest.mark.parametrize("change", [linear_equalized, relu_equalized])
def test_convolutions_that_share_a_bias_are_changed_separately(
    preactivated: bytes, pictures: list[np.ndarray], change: Callable[..., bytes]
) -> None:
    """TensorFlow stores all zero biases as one tensor; the float model still gives the same results."""
    graph = unpack(preactivated).subgraphs[0]
    biases = [int(one.inputs[2]) for one in graph.operators if len(one.inputs) == 3]
    assert len(set(biases)) < len(biases)
    before, after = FloatRunner(preactivated), FloatRunner(change(preactivated, pictures))
    for runner in (before, after):
        runner.run(pictures[0])
    output = int(graph.outputs[0])
    np.testing.assert_allclose(after.tensor(output), before.tensor(output), rtol=1e-3, atol=1e-4)
