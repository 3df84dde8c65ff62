"""The Edge TPU's lint and its compiler: what is not taken is named, and what the compiler says is checked."""

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
    """Backbone and head, as a bundle holds them."""
    weights = np.random.default_rng(2).standard_normal((2, 8)).astype(np.float32)
    return attach_head(int8_model(network(), "features", PIXELS), weights, np.zeros(2, np.float32), (-4.0, 4.0))


def test_our_models_may_go(model: bytes) -> None:
    """Convolutions, padding, mean, dense layer and softmax."""
    assert objections(model) == []


def test_our_models_may_go_with_their_map() -> None:
    """It is a tensor that is there anyway; as an output it is one more to copy."""
    weights, backbone = np.ones((2, 8), np.float32), int8_model(network(), "features", PIXELS)
    mapped = attach_head(backbone, weights, np.zeros(2, np.float32), (-4.0, 4.0), with_map=True)
    assert (len(unpack(mapped).subgraphs[0].outputs), objections(mapped)) == (3, [])


def test_a_model_that_compiles_has_no_objections(shared: Path) -> None:
    """Coral's own test model."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    assert (objections(golden), is_compiled(golden)) == ([], False)


def test_a_compiled_model_is_recognised(shared: Path) -> None:
    """#5: by its custom operator; it is not compiled twice."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes()
    assert is_compiled(golden)
    assert [str(one) for one in objections(golden)] == [
        "model: already compiled for the Edge TPU; give the model that it was compiled from"
    ]


def test_a_float_model_is_refused_by_tensor() -> None:
    """#1: the first operator's tensors are named with their type."""
    found = [str(one) for one in objections(float_model(network(), "features"))]
    assert any("is float32, expected int8 or uint8" in one for one in found)


def test_an_unknown_operator_is_named() -> None:
    """#4: a leaky ReLU runs on the CPU, and all that follows with it."""
    found = objections(int8_model(network(keras.layers.LeakyReLU(name="leaky")), "features", PIXELS))
    assert ["LEAKY_RELU" in one.where and "not among" in one.why for one in found] == [True]


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
    """#1 to #4, one change to a good model at a time."""
    assert any(message in why for why in edited(model, edit))


def test_the_report_is_read(compiler_says: Callable[..., str]) -> None:
    """Operators and memory, as the compiler words it."""
    assert read_report(compiler_says()) == CompilerReport(5, "4.12MiB", "1.50KiB")


def test_less_than_everything_mapped_is_refused(compiler_says: Callable[..., str]) -> None:
    """An operator left on the CPU takes all that follow it along."""
    with pytest.raises(BundleError, match=r"FULLY_CONNECTED x1 \(Operation version not supported\)"):
        read_report(compiler_says("Operation version not supported"))


def test_a_report_without_a_table_is_refused() -> None:
    """It proves nothing."""
    with pytest.raises(BundleError, match="no table of operators"):
        read_report("Model compiled successfully")


def test_what_the_compiler_left_is_returned(
    model: bytes, compiler: Callable[..., None], compiler_says: Callable[..., str], shared: Path
) -> None:
    """With its report."""
    golden = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes()
    compiler(compiler_says(), golden)
    assert compile_for_edgetpu(model) == (golden, CompilerReport(5, "4.12MiB", "1.50KiB"))


@pytest.mark.parametrize(
    ("status", "leaves", "message"),
    [
        ("Mapped to Edge TPU", False, r"left no model_edgetpu\.tflite"),
        ("Mapped to Edge TPU", True, "without an operator for the Edge TPU"),
        ("Something else", True, "not everything was mapped"),
    ],
    ids=["no file", "not compiled", "partly mapped"],
)
def test_a_compiler_that_failed_is_not_believed(
    model: bytes,
    compiler: Callable[..., None],
    compiler_says: Callable[..., str],
    status: str,
    leaves: bool,
    message: str,
) -> None:
    """Whatever it claims."""
    compiler(compiler_says(status), model if leaves else None)
    with pytest.raises(BundleError, match=message):
        compile_for_edgetpu(model)


def test_a_compiler_that_leaves_with_an_error_is_quoted(model: bytes, compiler: Callable[..., None]) -> None:
    """Its code and its last line."""
    compiler("ERROR: bad\nCompilation failed!\n", None, 1)
    with pytest.raises(BundleError, match="exit code 1: Compilation failed!"):
        compile_for_edgetpu(model)


def test_without_the_compiler_the_error_says_how_to_get_it(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do without it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerMissingError, match=r"install the package edgetpu-compiler.*leave --edgetpu out"):
        compile_for_edgetpu(model)


def test_the_lint_comes_before_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model that cannot go is refused by name, compiler or not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match=r"not for the Edge TPU: operator 0 .*float32"):
        compile_for_edgetpu(float_model(network(), "features"))
