"""Quantization: integers only, reproducible bytes, close to float, no output on the terminal."""

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from uncia_backbones.flatbuffer import pack, unpack
from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantization.quantize import float_model, float_tensors, int8_model, refuse_float
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.errors import BundleError, DataError


def small_network() -> keras.Model:
    """Two convolutions of 16x16 pictures: fast, with all parts that a backbone has."""
    graph = Graph(SeededTensors(3), 1e-3, TORCH_NAMES)
    pixels = keras.Input((16, 16, 3), name="pixels")
    x = normalised(pixels, mean=127.0, spread=128.0)
    x = graph.batch_norm(graph.convolution(x, "stem", 8, 3, stride=2), "norm")
    x = keras.layers.ReLU(6.0, name="map")(graph.depthwise(x, "depth", 3, 1))
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"map": x, "pooled": pooled}, name="small")


def pictures(count: int = 8, side: int = 16) -> Sequence[np.ndarray]:
    """Noise over the whole range of values."""
    generator = np.random.default_rng(5)
    return [generator.integers(0, 256, (1, side, side, 3), dtype=np.uint8) for _ in range(count)]


def loaded(model: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


@pytest.fixture(scope="module")
def quantized() -> bytes:
    return int8_model(small_network(), "pooled", pictures())


def test_the_same_input_gives_the_same_bytes(quantized: bytes) -> None:
    """Also for a second network in the same process, where Keras' automatic names have other numbers."""
    assert int8_model(small_network(), "pooled", iter(pictures())) == quantized


def test_the_float_model_has_the_same_bytes_again() -> None:
    """Reproducible like the integer model."""
    assert float_model(small_network(), "map") == float_model(small_network(), "map")


def test_input_and_output_are_integers_of_fixed_shape_with_our_names(quantized: bytes) -> None:
    """uint8 `pixels`, int8 `features`, and one signature with these names."""
    interpreter = loaded(quantized)
    [pixels], [features] = interpreter.get_input_details(), interpreter.get_output_details()
    assert (pixels["name"], pixels["dtype"], tuple(pixels["shape"])) == ("pixels", np.uint8, (1, 16, 16, 3))
    assert (features["name"], features["dtype"], tuple(features["shape"])) == ("features", np.int8, (1, 8))
    assert tuple(features["shape_signature"]) == (1, 8)
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["pixels"], "outputs": ["features"]}}


def test_kernels_are_quantized_per_channel(quantized: bytes) -> None:
    """Each of the eight filters of a convolution has its own scale."""
    tensors = unpack(quantized).subgraphs[0].tensors
    assert any(
        len(tensor.shape) == 4 and len(tensor.quantization.scale) == 8 for tensor in tensors if tensor.quantization
    )


def test_features_are_close_to_those_in_float(quantized: bytes) -> None:
    """Within four quantization steps for calibration pictures; rare extremes are clipped by less than 5 %."""
    interpreter, network = loaded(quantized), small_network()
    details = interpreter.get_output_details()[0]
    scale, zero_point = details["quantization"]
    differences = []
    for picture in pictures():
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        interpreter.invoke()
        features = (interpreter.get_tensor(details["index"]).astype(np.float32) - zero_point) * scale
        expected = network.predict_on_batch(picture.astype(np.float32))["pooled"]
        np.testing.assert_allclose(features, expected, rtol=0.05, atol=4 * scale)
        differences.append(np.abs(features - expected))
    assert (np.array(differences) < 4 * scale).mean() > 0.8


def test_no_operator_computes_in_float(quantized: bytes) -> None:
    """`float_tensors` finds none."""
    assert float_tensors(quantized) == []


def test_a_float_operator_is_named() -> None:
    """`float_tensors` finds those of the float model."""
    with pytest.raises(BundleError, match=r"not full-integer: .* \(float32\)"):
        refuse_float(float_model(small_network(), "pooled"))


def test_every_buffer_is_aligned(quantized: bytes) -> None:
    """As the schema's force_align demands, also after reading and writing."""
    again = pack(unpack(quantized))
    assert again == quantized
    filled = [
        bytes(buffer.data) for buffer in unpack(again).buffers if buffer.data is not None and len(buffer.data) > 32
    ]
    assert filled
    assert all(again.index(content) % 16 == 0 for content in filled)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ([], "no calibration pictures"),
        (pictures(1, side=8), "expected uint8 .1, 16, 16, 3."),
        ([np.zeros((1, 16, 16, 3), np.float32)], "calibration picture float32"),
    ],
    ids=["none", "size", "type"],
)
def test_bad_calibration_is_refused(calibration: Sequence[np.ndarray], message: str) -> None:
    """Before TensorFlow starts."""
    with pytest.raises(DataError, match=message):
        int8_model(small_network(), "pooled", calibration)


@pytest.mark.parametrize("damage", [b"", b"TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 40], ids=["empty", "id", "noise"])
def test_bytes_that_are_not_a_model_are_refused(damage: bytes) -> None:
    """With a BundleError, not an IndexError of the schema."""
    with pytest.raises(BundleError, match="TFLite model"):
        unpack(damage)


def test_tensorflow_prints_nothing() -> None:
    """On import and conversion, from Python and from C++."""
    code = (
        "import sys; sys.path.insert(0, 'tests/backbones/quantization')\n"
        "from test_quantize import *\n"
        "int8_model(small_network(), 'pooled', pictures()); print('done')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("done\n", "")
