"""Lists what the Edge TPU does not support in a model, without its compiler.

The rules are from Coral's "TensorFlow models on the Edge TPU" (supported operations, model requirements; runtime 13 and
newer). Limits that the page does not give (sizes, versions of operators) are found only by the compiler.

1. There is one graph; all tensors are 8-bit integers, biases and shapes 32-bit.
2. Shapes are constant, and only the three innermost sides of an activation are larger than one.
3. Parameters are constants.
4. Only the operators of the table are allowed, with the limits of their row.
5. A compiled model consists of the custom operator `edgetpu-custom-op`, possibly with other operators for the CPU.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from uncia_backbones.flatbuffer import operator_name, type_name, unpack

CUSTOM_OPERATOR = "edgetpu-custom-op"
SOFTMAX_MOST = 16_000


@dataclass(frozen=True)
class Objection:
    """Why an operator stays on the CPU, or why a whole model cannot run on the Edge TPU."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


@dataclass(frozen=True)
class _Node:
    """An operator with its input and output tensors; a missing optional input is None."""

    model: Any
    name: str
    options: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def constant(self, number: int) -> Any:
        """The int32 values of a constant input; None if it is computed or missing."""
        tensor = self.inputs[number] if number < len(self.inputs) else None
        data = None if tensor is None else self.model.buffers[tensor.buffer].data
        return None if data is None else np.frombuffer(bytes(data), np.int32)


def is_compiled(model: bytes) -> bool:
    """Whether a model was made by the Edge TPU compiler (#5).

    Raises:
        BundleError: not a TFLite model.
    """
    unpacked = unpack(model)
    return any(node.name == CUSTOM_OPERATOR for node in _nodes(unpacked))


def objections(model: bytes) -> list[Objection]:
    """All reasons why a model, or an operator of it, cannot run on the Edge TPU; empty if there are none.

    Raises:
        BundleError: not a TFLite model.
    """
    unpacked = unpack(model)
    if is_compiled(model):
        return [Objection("model", "already compiled for the Edge TPU; give the model that it was compiled from")]
    found = []
    if len(unpacked.subgraphs) > 1:
        found.append(Objection("model", f"{len(unpacked.subgraphs)} graphs, expected one"))
    for number, node in enumerate(_nodes(unpacked)):
        where = f"operator {number} {node.name} ({_text(node.outputs[0].name)})"
        found += [Objection(where, why) for why in _objections_to(node)]
    return found


def _nodes(model: Any) -> list[_Node]:
    graph = model.subgraphs[0]
    return [
        _Node(
            model,
            operator_name(model, operator),
            operator.builtinOptions,
            tuple(graph.tensors[index] if index >= 0 else None for index in operator.inputs),
            tuple(graph.tensors[index] for index in operator.outputs),
        )
        for operator in graph.operators
    ]


def _objections_to(node: _Node) -> Iterator[str]:
    if node.name not in _TABLE:
        yield "not an operator that the Edge TPU supports"
        return
    for tensor in (*node.inputs, *node.outputs):
        if tensor is not None:
            yield from _objections_to_tensor(node, tensor)
    yield from _parameters(node)
    yield from _TABLE[node.name](node)


def _objections_to_tensor(node: _Node, tensor: Any) -> Iterator[str]:
    name, kind, shape = _text(tensor.name), type_name(tensor), [int(side) for side in tensor.shape]
    constant = node.model.buffers[tensor.buffer].data is not None
    if kind not in ("int8", "uint8") and not (constant and kind == "int32"):
        yield f"{name} is {kind}, expected int8 or uint8"
    sides = shape if tensor.shapeSignature is None else [int(side) for side in tensor.shapeSignature]
    if min(sides, default=1) < 1:
        yield f"{name} has the changing shape {sides}, expected fixed sides"
    if not constant and any(side > 1 for side in shape[:-3]):
        yield f"{name} is {shape}; only the three innermost sides may be larger than one"


def _parameters(node: _Node) -> Iterator[str]:
    if node.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return
    inputs = node.inputs[:2] if node.name == "TRANSPOSE_CONV" else node.inputs[1:3]
    for tensor in inputs:
        if tensor is not None and node.model.buffers[tensor.buffer].data is None:
            yield f"its parameter {_text(tensor.name)} is computed, expected a constant"


def _nothing(_node: _Node) -> Iterator[str]:
    yield from ()


def _no_activation(node: _Node) -> Iterator[str]:
    if node.options is not None and node.options.fusedActivationFunction:
        yield "has an activation function fused into it, expected none"


def _same_dilation(node: _Node) -> Iterator[str]:
    across, down = node.options.dilationWFactor, node.options.dilationHFactor
    if across != down:
        yield f"dilated by {across} across and {down} down, expected the same"


def _plain_dense(node: _Node) -> Iterator[str]:
    if node.options.weightsFormat:
        yield "weights are shuffled, expected the default format"
    shape = [int(side) for side in node.outputs[0].shape]
    if sum(side > 1 for side in shape) > 1:
        yield f"gives {shape}, expected one dimension"


def _softmax(node: _Node) -> Iterator[str]:
    shape = [int(side) for side in node.inputs[0].shape]
    if sum(side > 1 for side in shape) > 1 or max(shape) > SOFTMAX_MOST:
        yield f"of {shape}, expected one dimension of at most {SOFTMAX_MOST}"


def _reduction(node: _Node) -> Iterator[str]:
    axes, shape = node.constant(1), [int(side) for side in node.inputs[0].shape]
    if axes is None:
        yield "reduces along computed axes, expected constants"
        return
    chosen = {int(axis) % len(shape) for axis in axes.ravel()}
    if len(shape) == 4 and 0 in chosen:
        yield "reduces along the batch"
    if node.name == "MEAN" and len(shape) - 1 in chosen and shape[-1] % 4:
        yield f"reduces {shape[-1]} channels, expected a multiple of 4"


def _padding(node: _Node) -> Iterator[str]:
    sizes = node.constant(1)
    if sizes is None:
        yield "pads by computed sizes, expected constants"
    elif len(sizes) == 8 and sizes[:2].any():
        yield "pads along the batch"


_TABLE: dict[str, Callable[[_Node], Iterator[str]]] = {
    "ADD": _nothing,
    "AVERAGE_POOL_2D": _no_activation,
    "CONCATENATION": _no_activation,
    "CONV_2D": _same_dilation,
    "DEPTHWISE_CONV_2D": _same_dilation,
    "EXPAND_DIMS": _nothing,
    "FULLY_CONNECTED": _plain_dense,
    "L2_NORMALIZATION": _nothing,
    "LOGISTIC": _nothing,
    "MAXIMUM": _nothing,
    "MAX_POOL_2D": _no_activation,
    "MEAN": _reduction,
    "MINIMUM": _nothing,
    "MUL": _nothing,
    "PACK": _nothing,
    "PAD": _padding,
    "PRELU": _nothing,
    "QUANTIZE": _nothing,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "RELU": _nothing,
    "RELU6": _nothing,
    "RELU_N1_TO_1": _nothing,
    "RESHAPE": _nothing,
    "RESIZE_BILINEAR": _nothing,
    "RESIZE_NEAREST_NEIGHBOR": _nothing,
    "RSQRT": _nothing,
    "SLICE": _nothing,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _nothing,
    "SPLIT": _nothing,
    "SQUARED_DIFFERENCE": _nothing,
    "SQUEEZE": _nothing,
    "STRIDED_SLICE": _nothing,
    "SUB": _nothing,
    "SUM": _reduction,
    "TANH": _nothing,
    "TRANSPOSE": _nothing,
    "TRANSPOSE_CONV": _nothing,
}


def _text(name: Any) -> str:
    return str(name.decode(errors="replace") if isinstance(name, bytes) else name)
