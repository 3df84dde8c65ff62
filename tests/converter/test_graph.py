"""The head in the graph: features do not change, probabilities are those of the float head up to quantization."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncia_backbones.flatbuffer import operator_name, unpack
from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantization.quantize import float_model, float_tensors, int8_model
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.errors import BundleError
from uncia_contract.model.heads import softmax
from uncia_contract.model.interpreter import Interpreter
from uncia_converter.graph import attach_head, has_map, logit_scale, quantized_head, shown_range

SIDE, CHANNELS = 12, 16
COUNT = {"pooled": CHANNELS, "map": 6 * 6 * CHANNELS}
PICTURES = np.random.default_rng(7).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)


def network() -> keras.Model:
    graph = Graph(SeededTensors(11), 1e-3, TORCH_NAMES)
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = graph.convolution(normalised(pixels, 127.0, 128.0), "stem", CHANNELS, 3, stride=2)
    x = keras.layers.ReLU(6.0, name="map")(graph.batch_norm(x, "norm"))
    return keras.Model(pixels, {"map": x, "pooled": keras.layers.GlobalAveragePooling2D(name="pooled")(x)})


@pytest.fixture(scope="module", params=["pooled", "map"])
def layer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def backbone(layer: str) -> bytes:
    return int8_model(network(), layer, PICTURES[:, np.newaxis])


def head(layer: str, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A head whose logits are about -4 to 4."""
    generator = np.random.default_rng(13)
    weights = generator.standard_normal((classes, COUNT[layer])) * 4 / np.sqrt(COUNT[layer])
    return weights.astype(np.float32), generator.standard_normal(classes).astype(np.float32)


def outputs(model: bytes, runtime: str | None = None) -> list[np.ndarray]:
    """Each output for all pictures, as real numbers."""
    interpreter = Interpreter(model, only=runtime)
    rows = [interpreter.run(picture, interpreter.outputs) for picture in PICTURES]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def test_the_head_leaves_the_features_bit_identical(backbone: bytes, layer: str) -> None:
    """So a head that was fitted on them still fits."""
    [before] = outputs(backbone)
    after, _ = outputs(attach_head(backbone, *head(layer), (-10.0, 10.0)))
    np.testing.assert_array_equal(after, before)


def test_probabilities_are_those_of_the_float_head(backbone: bytes, layer: str) -> None:
    """Within a quarter of a logit's step, 1/256 of the softmax, and 0.003 of the weights."""
    weights, bias = head(layer)
    features, probabilities = outputs(attach_head(backbone, weights, bias, (-10.0, 10.0)))
    expected = softmax(features.reshape(len(PICTURES), -1) @ weights.T + bias)
    assert np.abs(probabilities - expected).max() <= 20 / 255 / 4 + 1 / 256 + 0.003
    assert np.ptp(expected, axis=0).max() > 0.1


def test_a_head_of_two_classes_is_as_fine_as_its_softmax_shows(backbone: bytes, layer: str) -> None:
    """#4: half a step of 12.8/255 in the logits, one of the softmax, and the weights' rounding."""
    direction, middle = head(layer, 1)
    weights, bias = np.concatenate([-direction, direction]), np.array([-middle[0], middle[0]])
    features, probabilities = outputs(attach_head(backbone, weights, bias, (-20.0, 20.0)))
    expected = softmax(features.reshape(len(PICTURES), -1) @ weights.T + bias)
    assert np.abs(probabilities - expected).max() <= 12.8 / 255 / 8 + 1 / 256 + 0.012
    assert np.ptp(expected, axis=0).max() > 0.1


@pytest.mark.parametrize(
    ("bias", "given", "shown"),
    [((1, -1), (-8, 8), (-3.2, 3.2)), ((1, -1), (-2, 5), (-2, 3.2)), ((1, 1), (-8, 8), (-8, 8))],
    ids=["opposite", "narrower on one side", "not opposite"],
)
def test_opposite_logits_saturate_where_no_more_is_shown(
    bias: tuple[float, float], given: tuple[float, float], shown: tuple[float, float]
) -> None:
    """#4: other heads keep their range."""
    weights = np.array([[1, 2], [-1, -2]], np.float32)
    assert shown_range(weights, np.array(bias, np.float32), given) == pytest.approx(shown)


def test_outputs_are_named_in_order(backbone: bytes, layer: str) -> None:
    """#5: in the graph and in its signature."""
    model = attach_head(backbone, *head(layer), (-8.0, 8.0))
    assert [tensor.name for tensor in Interpreter(model).outputs] == ["features", "probabilities"]
    [signature] = unpack(model).signatureDefs
    assert [output.name for output in signature.outputs] == [b"features", b"probabilities"]


def test_the_same_head_gives_the_same_bytes(backbone: bytes, layer: str) -> None:
    """They do not depend on time or process."""
    assert attach_head(backbone, *head(layer), (-8.0, 8.0)) == attach_head(backbone, *head(layer), (-8.0, 8.0))


def test_only_integer_operators_that_old_runtimes_know_are_added(backbone: bytes, layer: str) -> None:
    """FULLY_CONNECTED 4, SOFTMAX 2, and RESHAPE 1 for a map; known since TensorFlow 2.0."""
    before, after = (
        {(operator_name(model, operator), model.operatorCodes[operator.opcodeIndex].version) for operator in operators}
        for model in (unpack(backbone), unpack(attach_head(backbone, *head(layer), (-8.0, 8.0))))
        for operators in [model.subgraphs[0].operators]
    )
    expected = {("FULLY_CONNECTED", 4), ("SOFTMAX", 2)} | ({("RESHAPE", 1)} if layer == "map" else set())
    assert after - before == expected
    assert float_tensors(attach_head(backbone, *head(layer), (-8.0, 8.0))) == []


def test_a_head_of_another_width_is_refused(backbone: bytes, layer: str) -> None:
    """The message gives both widths."""
    with pytest.raises(BundleError, match=rf"gives {COUNT[layer]} features in int8; the head expects 5"):
        attach_head(backbone, np.ones((2, 5), np.float32), np.zeros(2, np.float32), (-1.0, 1.0))


@pytest.mark.parametrize(
    ("weights", "bias", "logit_range", "message"),
    [
        (np.full((2, 16), np.nan), np.zeros(2), (-1, 1), "not numbers"),
        (np.ones((2, 16)), np.array([0, np.inf]), (-1, 1), "not numbers"),
        (np.ones((1, 16)), np.zeros(1), (-1, 1), "two classes or more"),
        (np.ones((2, 16)), np.zeros(3), (-1, 1), r"bias \(3,\)"),
        (np.ones((2, 16)), np.zeros(2), (1, 1), "the smaller first"),
        (np.ones((2, 16)), np.zeros(2), (np.nan, 1), "the smaller first"),
    ],
    ids=["NaN", "infinite", "one class", "bias", "empty range", "NaN range"],
)
def test_a_bad_head_is_refused(
    weights: np.ndarray, bias: np.ndarray, logit_range: tuple[float, float], message: str
) -> None:
    """Before the model is read."""
    with pytest.raises(BundleError, match=message):
        attach_head(b"", weights.astype(np.float32), bias.astype(np.float32), logit_range)


def test_a_float_backbone_is_refused() -> None:
    """The head needs int8 features."""
    with pytest.raises(BundleError, match="16 features in float32; the head expects 16 in int8"):
        attach_head(float_model(network(), "pooled"), *head("pooled"), (-1.0, 1.0))


def test_a_model_with_a_head_gets_no_second_one(backbone: bytes, layer: str) -> None:
    """Its features are not its only output."""
    model = attach_head(backbone, *head(layer), (-8.0, 8.0))
    with pytest.raises(BundleError, match="2 outputs, expected one"):
        attach_head(model, *head(layer), (-8.0, 8.0))


@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([1, 16, 2048]),
    places=st.sampled_from([1, 49]),
    largest=st.floats(1e-30, 1e6),
    offset=st.floats(-1e6, 1e6),
    feature_scale=st.floats(1e-4, 10.0),
)
def test_no_sum_can_overflow_int32(
    channels: int, places: int, largest: float, offset: float, feature_scale: float
) -> None:
    """#2: even with the largest weights and features."""
    weights = np.full((2, places * channels), largest, np.float32)
    bias = np.full(2, offset, np.float32)
    kernel, offsets, _ = quantized_head(weights, bias, feature_scale, channels)
    worst = np.abs(kernel.astype(np.int64)).sum(axis=1) * 255 + np.abs(offsets.astype(np.int64))
    assert worst.max() <= 2**31 - 1


def test_rounding_errors_cancel_within_a_channel_of_a_map() -> None:
    """#3: over a channel's places, the sum of the integers equals that of the weights within half a level."""
    weights = (np.random.default_rng(17).standard_normal((2, 49, 8)) ** 3).astype(np.float32)
    kernel, _, scale = quantized_head(weights.reshape(2, -1), np.zeros(2, np.float32), 0.02, 8)
    left = (kernel.reshape(2, 49, 8).astype(np.float64) * scale - weights).sum(axis=1)
    assert np.abs(left).max() <= 0.51 * scale


def test_no_weights_at_all_leave_the_bias() -> None:
    """A head of zeros is quantized without a division by zero."""
    kernel, offsets, scale = quantized_head(np.zeros((2, 4), np.float32), np.array([0.5, -0.5], np.float32), 0.01, 4)
    np.testing.assert_allclose(offsets * scale * 0.01, [0.5, -0.5], rtol=1e-3)
    assert not kernel.any()


@pytest.mark.parametrize(
    ("logit_range", "low", "high"),
    [((-5, 5), -5, 5), ((2, 5), 0, 5), ((-5, -2), -5, 0)],
    ids=["both", "above", "below"],
)
def test_logits_cover_their_range_and_zero(logit_range: tuple[float, float], low: float, high: float) -> None:
    """#4: within half a level at both ends."""
    scale = logit_scale(logit_range)
    ends = np.array([-128, 127]) - scale.zero_point
    np.testing.assert_allclose(ends * scale.scale, [low, high], atol=scale.scale)


def test_the_map_is_the_second_output_and_its_mean_the_features(backbone: bytes, layer: str) -> None:
    """No operator is added, and the other outputs do not change."""
    if layer == "map":
        with pytest.raises(BundleError, match="not the mean of a map"):
            attach_head(backbone, *head(layer), (-10.0, 10.0), with_map=True)
        return
    plain, mapped = (attach_head(backbone, *head(layer), (-10.0, 10.0), wanted) for wanted in (False, True))
    features, places, probabilities = outputs(mapped)
    assert places.shape[1:] == (6, 6, CHANNELS)
    np.testing.assert_allclose(places.mean(axis=(1, 2)), features, atol=0.05)
    for one, expected in zip((features, probabilities), outputs(plain), strict=True):
        np.testing.assert_array_equal(one, expected)
    assert len(unpack(mapped).subgraphs[0].operators) == len(unpack(plain).subgraphs[0].operators)


def test_whether_a_backbone_has_a_map_is_read_from_its_graph(backbone: bytes, layer: str) -> None:
    """Features that are the mean of a map have one; features that are a map do not."""
    assert has_map(backbone) == (layer == "pooled")
