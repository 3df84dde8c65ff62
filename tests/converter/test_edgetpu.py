"""The check for the Edge TPU lists what is not supported; the compiler's report and result are checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from uncia_backbones.flatbuffer import pack, unpack
from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantization.quantize import float_model, int8_model
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.errors import BundleError
from uncia_converter.edgetpu import is_compiled, objections
from uncia_converter.edgetpu_compiler import CompilerMissingError, CompilerReport, compile_for_edgetpu, read_report
from uncia_converter.graph import attach_head

PIXELS = np.random.default_rng(1).integers(0, 256, (8, 1, 16, 16, 3), dtype=np.uint8)


def network(last: Any = None) -> keras.Model:
    graph = Graph(SeededTensors(3), 1e-3, TORCH_NAMES)
    pixels = keras.Input((16, 16, 3), name="pixels")
    x = graph.padded_convolution(normalised(pixels, 127.0, 128.0), "stem", 8, 3, stride=2)
    x = keras.layers.ReLU(6.0, name="map")(graph.batch_norm(graph.depthwise(x, "depth", 3, 1), "norm"))
    x = last(x) if last else keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"features": x})


@pytest.fixture(scope="module")
def model() -> bytes:
    """A backbone with a head, as in a bundle."""
    weights = np.random.default_rng(2).standard_normal((2, 8)).astype(np.float32)
    return attach_head(int8_model(network(), "features", PIXELS), weights, np.zeros(2, np.float32), (-4.0, 4.0))


def test_our_models_are_supported(model: bytes) -> None:
    """Convolutions, padding, mean, dense layer and softmax."""
    assert objections(model) == []


def test_our_models_are_supported_with_their_map() -> None:
    """The map is an existing tensor; as an output it only needs one more copy."""
    weights, backbone = np.ones((2, 8), np.float32), int8_model(network(), "features", PIXELS)
    mapped = attach_head(backbone, weights, np.zeros(2, np.float32), (-4.0, 4.0), with_map=True)
    assert (len(unpack(mapped).subgraphs[0].outputs), objections(mapped)) == (3, [])


def test_a_model_that_compiles_has_no_objections(shared: Path) -> None:
    """Coral's own test model."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    assert (objections(golden), is_compiled(golden)) == ([], False)


def test_a_compiled_model_is_recognised(shared: Path) -> None:
    """#5: by its custom operator; it is not compiled again."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes()
    assert is_compiled(golden)
    assert [str(one) for one in objections(golden)] == [
        "model: already compiled for the Edge TPU; give the model that it was compiled from"
    ]


def test_a_float_model_is_refused_by_tensor() -> None:
    """#1: the tensors of the first operator are listed with their types."""
    found = [str(one) for one in objections(float_model(network(), "features"))]
    assert any("is float32, expected int8 or uint8" in one for one in found)


def test_an_unknown_operator_is_named() -> None:
    """#4: a leaky ReLU would run on the CPU, with all operators after it."""
    found = objections(int8_model(network(keras.layers.LeakyReLU(name="leaky")), "features", PIXELS))
    assert ["LEAKY_RELU" in one.where and "not an operator" in one.why for one in found] == [True]


def edited(model: bytes, edit: Any) -> list[str]:
    """The objections after a change to the graph."""
    unpacked = unpack(model)
    edit(unpacked, unpacked.subgraphs[0])
    return [one.why for one in objections(pack(unpacked))]


def operator(graph: Any, model: Any, code: int) -> Any:
    return next(one for one in graph.operators if model.operatorCodes[one.opcodeIndex].builtinCode == code)


def dilate(model: Any, graph: Any) -> None:
    operator(graph, model, schema.BuiltinOperator.CONV_2D).builtinOptions.dilationWFactor = 2


def free_batch(_model: Any, graph: Any) -> None:
    graph.tensors[graph.inputs[0]].shapeSignature = np.array([-1, 16, 16, 3], np.int32)


def batch_of_two(_model: Any, graph: Any) -> None:
    graph.tensors[graph.inputs[0]].shape = np.array([2, 16, 16, 3], np.int32)


def computed_kernel(model: Any, graph: Any) -> None:
    graph.tensors[operator(graph, model, schema.BuiltinOperator.CONV_2D).inputs[1]].buffer = 0


def shuffled(model: Any, graph: Any) -> None:
    operator(graph, model, schema.BuiltinOperator.FULLY_CONNECTED).builtinOptions.weightsFormat = 1


def long_softmax(model: Any, graph: Any) -> None:
    tensor = graph.tensors[operator(graph, model, schema.BuiltinOperator.SOFTMAX).inputs[0]]
    tensor.shape = np.array([1, 16_001], np.int32)


def mean_of_batch(model: Any, graph: Any) -> None:
    axes = graph.tensors[operator(graph, model, schema.BuiltinOperator.MEAN).inputs[1]]
    model.buffers[axes.buffer].data = np.frombuffer(np.array([0, 1], np.int32).tobytes(), np.uint8)


def pad_the_batch(model: Any, graph: Any) -> None:
    sizes = graph.tensors[operator(graph, model, schema.BuiltinOperator.PAD).inputs[1]]
    wanted = np.array([1, 0, 1, 1, 1, 1, 0, 0], np.int32)
    model.buffers[sizes.buffer].data = np.frombuffer(wanted.tobytes(), np.uint8)


def two_graphs(model: Any, graph: Any) -> None:
    model.subgraphs.append(graph)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (dilate, "dilated by 2 across and 1 down"),
        (free_batch, "changing shape [-1, 16, 16, 3]"),
        (batch_of_two, "[2, 16, 16, 3]; only the three innermost sides"),
        (computed_kernel, "is computed, expected a constant"),
        (shuffled, "weights are shuffled"),
        (long_softmax, "expected one dimension of at most 16000"),
        (mean_of_batch, "reduces along the batch"),
        (pad_the_batch, "pads along the batch"),
        (two_graphs, "2 graphs, expected one"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_each_rule_finds_its_breach(model: bytes, edit: Any, message: str) -> None:
    """#1 to #4, each with one change to a good model."""
    assert any(message in why for why in edited(model, edit))


def test_the_report_is_read(compiler_says: Callable[..., str]) -> None:
    """The number of operators, and the memory in the compiler's words."""
    assert read_report(compiler_says()) == CompilerReport(5, "4.12MiB", "1.50KiB")


def test_less_than_everything_mapped_is_refused(compiler_says: Callable[..., str]) -> None:
    """All operators after an unmapped one run on the CPU too."""
    with pytest.raises(BundleError, match=r"FULLY_CONNECTED x1 \(Operation version not supported\)"):
        read_report(compiler_says("Operation version not supported"))


def test_a_report_without_a_table_is_refused() -> None:
    """It does not show what was mapped."""
    with pytest.raises(BundleError, match="no table of operators"):
        read_report("Model compiled successfully")


def test_the_compiled_model_is_returned(
    model: bytes, compiler: Callable[..., None], compiler_says: Callable[..., str], shared: Path
) -> None:
    """Together with the report."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes()
    compiler(compiler_says(), golden)
    assert compile_for_edgetpu(model) == (golden, CompilerReport(5, "4.12MiB", "1.50KiB"))


@pytest.mark.parametrize(
    ("status", "leaves", "message"),
    [
        ("Mapped to Edge TPU", False, r"wrote no model_edgetpu\.tflite"),
        ("Mapped to Edge TPU", True, "without an operator for the Edge TPU"),
        ("Something else", True, "not everything was mapped"),
    ],
    ids=["no file", "not compiled", "partly mapped"],
)
def test_a_failed_compilation_is_refused(
    model: bytes,
    compiler: Callable[..., None],
    compiler_says: Callable[..., str],
    status: str,
    leaves: bool,
    message: str,
) -> None:
    """For several kinds of failure."""
    compiler(compiler_says(status), model if leaves else None)
    with pytest.raises(BundleError, match=message):
        compile_for_edgetpu(model)


def test_the_message_has_the_compilers_exit_code_and_last_line(model: bytes, compiler: Callable[..., None]) -> None:
    """The message has both."""
    compiler("ERROR: bad\nCompilation failed!\n", None, 1)
    with pytest.raises(BundleError, match="exit code 1: Compilation failed!"):
        compile_for_edgetpu(model)


def test_without_the_compiler_the_error_says_how_to_get_it(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that --edgetpu can be left out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerMissingError, match=r"install the package edgetpu-compiler.*leave --edgetpu out"):
        compile_for_edgetpu(model)


def test_the_check_comes_before_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An unsupported model is refused with or without a compiler."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match=r"not for the Edge TPU: operator 0 .*float32"):
        compile_for_edgetpu(float_model(network(), "features"))
