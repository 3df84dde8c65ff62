"""GPTQ rounding: closer to float than the nearest integers, and nothing else changes."""

import numpy as np
import pytest
from tests.backbones.quantization.test_quantize import loaded, pictures, small_network

from uncia_backbones.flatbuffer import operator_name, pack, unpack
from uncia_backbones.frameworks import keras
from uncia_backbones.quantization.gptq_rounding import gptq_rounded, input_moments, round_rows
from uncia_backbones.quantization.quantize import converted_int8, float_model
from uncia_contract.errors import BundleError

CHANCE = np.random.default_rng(7)
SCALE = np.full(6, 0.05)


def nearest(weights: np.ndarray) -> np.ndarray:
    return np.clip(np.round(weights / SCALE[:, np.newaxis]), -127, 127)


def test_correlated_inputs_give_a_smaller_error() -> None:
    """Less than half of the error of rounding to the nearest integers."""
    inputs = CHANCE.normal(size=(4000, 3)) @ CHANCE.normal(size=(3, 24)) + 0.05 * CHANCE.normal(size=(4000, 24))
    weights = CHANCE.normal(size=(6, 24))
    whole = round_rows(weights, inputs.T @ inputs / len(inputs), SCALE)

    def lost(integers: np.ndarray) -> float:
        return float((((weights - integers * SCALE[:, np.newaxis]) @ inputs.T) ** 2).mean())

    assert lost(whole) < 0.5 * lost(nearest(weights))


def test_uncorrelated_inputs_give_the_nearest_integers() -> None:
    """No other weight can compensate an error."""
    weights = CHANCE.normal(size=(6, 24))
    assert (round_rows(weights, np.eye(24), SCALE) == nearest(weights)).all()


def test_constant_inputs_give_the_nearest_integers() -> None:
    """A channel that is always 0 has no covariance."""
    weights = CHANCE.normal(size=(6, 24))
    assert (round_rows(weights, np.zeros((24, 24)), SCALE) == nearest(weights)).all()


def test_weights_beyond_the_integers_are_clipped() -> None:
    """-128 is not used, because TFLite's weights are symmetric."""
    assert set(round_rows(np.full((6, 3), -100.0), np.eye(3), SCALE).ravel()) == {-127}


@pytest.mark.parametrize("number", [0, 1], ids=["padded, stride 2", "depthwise"])
def test_input_moments_use_the_layers_windows(number: int) -> None:
    """The mean of a convolution's inputs gives the mean of its outputs: same windows, padding and order."""
    model = float_model(small_network(), "map")
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    layer = [one for one in graph.operators if "CONV" in operator_name(unpacked, one)][number]
    layer.builtinOptions.fusedActivationFunction = 0
    linear = pack(unpacked)
    weights, bias = (
        np.frombuffer(np.asarray(unpacked.buffers[graph.tensors[at].buffer].data, np.uint8).tobytes(), np.float32)
        for at in layer.inputs[1:3]
    )
    [seen] = input_moments(linear, [layer], pictures(3))
    if number:
        expected = (weights.reshape(9, 8).T * seen.mean).sum(axis=1) + bias
    else:
        expected = weights.reshape(8, 27) @ seen.mean[0] + bias
    assert outputs_mean(linear, int(layer.outputs[0])) == pytest.approx(expected, abs=1e-4)


def outputs_mean(model: bytes, tensor: int) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    runner = Interpreter(
        model_content=model, experimental_op_resolver_type=plain, experimental_preserve_all_tensors=True
    )
    runner.allocate_tensors()
    found = []
    for picture in pictures(3):
        runner.set_tensor(runner.get_input_details()[0]["index"], picture.astype(np.float32))
        runner.invoke()
        found.append(runner.get_tensor(tensor).mean(axis=(0, 1, 2)))
    return np.mean(found, axis=0)


def test_a_model_comes_closer_to_float_and_keeps_its_form() -> None:
    """Same operators, shapes and scales; other weights and biases; a smaller difference of features."""
    network = small_network()
    plain, floating = converted_int8(network, "pooled", smooth(20)), float_model(network, "pooled")
    better = gptq_rounded(plain, floating, smooth(20))

    assert form(better) == form(plain)
    assert better != plain
    assert difference(better, floating) < difference(plain, floating)


def smooth(count: int) -> list[np.ndarray]:
    """Pictures with similar neighbouring pixels, as in photographs."""
    coarse = np.random.default_rng(11).integers(0, 256, (count, 1, 4, 4, 3))
    return [np.kron(one, np.ones((1, 4, 4, 1))).astype(np.uint8) for one in coarse]


def form(model: bytes) -> object:
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    return [operator_name(unpacked, one) for one in graph.operators], [
        (list(tensor.shape), tensor.type, None if tensor.quantization is None else str(tensor.quantization.scale))
        for tensor in graph.tensors
    ]


def difference(int8: bytes, floating: bytes) -> float:
    answers = []
    for model in (int8, floating):
        runner = loaded(model)
        [pixels], [features] = runner.get_input_details(), runner.get_output_details()
        scale, zero = features["quantization"]
        rows = []
        for picture in smooth(60):
            runner.set_tensor(pixels["index"], picture.astype(pixels["dtype"]))
            runner.invoke()
            row = runner.get_tensor(features["index"]).astype(np.float64)
            rows.append((row - zero) * scale if scale else row)
        answers.append(np.array(rows))
    return float(np.abs(answers[0] - answers[1]).mean())


def test_models_of_different_networks_are_refused() -> None:
    """The message gives the number of their convolutions."""
    pixels = keras.Input((16, 16, 3))
    other = keras.Model(pixels, {"map": keras.layers.Conv2D(4, 1)(pixels)})
    with pytest.raises(BundleError, match="2 convolutions in int8, 1 in float"):
        gptq_rounded(converted_int8(small_network(), "pooled", pictures()), float_model(other, "map"), pictures())
