"""Adds the head to the graph: it is appended to the backbone's flatbuffer, so the features stay the same bit for bit.

Decides how the logistic head is quantized and the names of the outputs. Nothing before the features is changed, because
no conversion runs again.

1. Weights are int8 with one scale: tflite-runtime 2.14 supports no other for FULLY_CONNECTED. Biases are int32.
2. No sum can overflow int32 for any features; the scale of a head with large weights is increased until this holds.
3. Within a channel of a map, the rounding error of a place is added to the next place before it is rounded.
   Neighbouring places have similar features, so the errors cancel in the logit. (Measured on 100 pictures with the
   7x7x1280 map of EfficientNet-Lite0: the mean error is 0.07 instead of 1.2, for logits from -3.5 to 3.5.)
4. Logits saturate outside `logit_range`. The softmax has scale 1/256 and zero point -128, which its kernel requires.
   For a head of two classes with opposite logits they saturate at 3.2, because beyond that the probability does not
   change by a step; so all values of int8 are used for the range that matters.
5. The outputs are `features` and `probabilities`, in this order, in the graph and in its signature. If the map is
   requested, `map` is between them: the tensor whose mean the features are. No operator is added for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import buffer_of, operator_name, pack, signature, type_name, unpack
from uncia_contract.errors import BundleError

FEATURES, MAP, PROBABILITIES = "features", "map", "probabilities"
PROBABILITY_SCALE, PROBABILITY_ZERO = 1 / 256, -128
OPPOSITE_MOST = 3.2  # a probability of 0.9983, beyond the softmax's last step
_LEVELS, _FEATURE_SPAN, _INT32_MAX = 127, 255, 2**31 - 1
_Operator, _Options, _Type = schema.BuiltinOperator, schema.BuiltinOptions, schema.TensorType


@dataclass(frozen=True)
class Scale:
    """A tensor's quantization: a stored integer means (stored - zero_point) * scale."""

    scale: float
    zero_point: int


def attach_head(
    backbone: bytes,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    logit_range: tuple[float, float],
    with_map: bool = False,
) -> bytes:
    """The backbone with two outputs: `features` as before, and `probabilities` int8 (1, classes), (q + 128) / 256.

    Args:
        backbone: an int8 model with one output, int8 (1, features) or (1, height, width, channels).
        weights: float32 (classes, features), including the calibration.
        bias: float32 (classes,), including the calibration.
        logit_range: the smallest and the largest logit to represent; logits beyond saturate.
        with_map: add a second output, the map whose mean the features are: int8 (1, rows, columns, features).

    Raises:
        BundleError: the backbone is not such a model, its features do not fit the weights, it has no such map, or the
            head has numbers that are not finite.
    """
    _check_head(weights, bias, logit_range)
    builder = _GraphBuilder(_unpacked(backbone))
    features = _only_output(builder.graph, weights.shape[1])
    channels = int(builder.graph.tensors[features].shape[-1])
    flat = _flattened(builder, features, weights.shape[1])
    logits = _dense(builder, flat, weights, bias, shown_range(weights, bias, logit_range), channels)
    probabilities = _softmax(builder, logits, len(weights))
    outputs = {FEATURES: features, **_map(builder, features, with_map), PROBABILITIES: probabilities}
    for name, index in outputs.items():
        builder.graph.tensors[index].name = name
    builder.graph.outputs = np.array([*outputs.values()], np.int32)
    inputs = {_name(builder.graph.tensors[index]): index for index in builder.graph.inputs}
    builder.model.signatureDefs = [signature(inputs, outputs)]
    return pack(builder.model)


def _unpacked(backbone: bytes) -> Any:
    try:
        return unpack(backbone)
    except BundleError as error:
        raise BundleError(f"backbone.tflite: {error}") from error


def has_map(backbone: bytes) -> bool:
    """Whether a backbone's output is the mean of a map.

    Raises:
        BundleError: not a TFLite model.
    """
    model = _unpacked(backbone)
    return pooled_from(model, int(model.subgraphs[0].outputs[0])) is not None


def pooled_from(model: Any, tensor: int) -> int | None:
    """The number of the tensor whose mean over rows and columns gives `tensor`; None if it is not such a mean."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if tensor in operator.outputs:
            name, found = operator_name(model, operator), int(operator.inputs[0])
            if name == "RESHAPE":
                return pooled_from(model, found)
            return found if name in ("MEAN", "AVERAGE_POOL_2D") and len(graph.tensors[found].shape) == 4 else None
    return None


def _map(builder: "_GraphBuilder", features: int, wanted: bool) -> dict[str, int]:
    if not wanted:
        return {}
    found = pooled_from(builder.model, features)
    if found is None:
        raise BundleError("backbone.tflite: its features are not the mean of a map, which a second look needs")
    return {MAP: found}


def _check_head(weights: NDArray[np.float32], bias: NDArray[np.float32], logit_range: tuple[float, float]) -> None:
    if weights.ndim != 2 or len(weights) < 2 or bias.shape != (len(weights),):
        raise BundleError(
            f"head: weights {weights.shape} and bias {bias.shape}; expected (classes, features) and (classes,), "
            "two classes or more"
        )
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise BundleError("head: weights that are not numbers (NaN or infinite)")
    low, high = logit_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BundleError(f"head: logits from {low} to {high}; expected two numbers, the smaller first")


class _GraphBuilder:
    """Appends tensors and operators to a graph; existing ones are not changed."""

    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, model.subgraphs[0]

    def tensor(self, name: str, shape: Sequence[int], kind: int, scale: Scale | None, buffer: int = 0) -> int:
        """Append a tensor and return its number; buffer 0 means that it is computed."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, np.array(shape, np.int32), kind, buffer
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale.scale], np.float32)
            tensor.quantization.zeroPoint = np.array([scale.zero_point], np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, values: "NDArray[np.int8] | NDArray[np.int32]", scale: Scale | None) -> int:
        """Append a tensor with constant values and return its number."""
        self.model.buffers.append(buffer_of(values))
        kind = _Type.INT8 if values.dtype == np.int8 else _Type.INT32
        return self.tensor(name, values.shape, kind, scale, len(self.model.buffers) - 1)

    def operator(self, code: int, version: int, inputs: Sequence[int], output: int, kind: int, options: Any) -> None:
        """Append an operator; inputs and output are numbers of tensors."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(code, version)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.graph.operators.append(operator)

    def _code(self, code: int, version: int) -> int:
        for index, known in enumerate(self.model.operatorCodes):
            if (known.builtinCode, known.version) == (code, version):
                return index
        added = schema.OperatorCodeT()
        added.builtinCode, added.deprecatedBuiltinCode, added.version = code, code, version  # all below 127
        self.model.operatorCodes.append(added)
        return len(self.model.operatorCodes) - 1


def _only_output(graph: Any, features: int) -> int:
    if len(graph.outputs) != 1:
        raise BundleError(f"backbone.tflite: {len(graph.outputs)} outputs, expected one: its features")
    index = int(graph.outputs[0])
    tensor = graph.tensors[index]
    count = math.prod(int(side) for side in tensor.shape[1:])
    if type_name(tensor) != "int8" or count != features:
        raise BundleError(
            f"backbone.tflite: gives {count} features in {type_name(tensor)}; the head expects {features} in int8"
        )
    return index


def _flattened(builder: _GraphBuilder, features: int, count: int) -> int:
    """The number of the tensor with the features as (1, count); a RESHAPE is appended if they are a map."""
    tensor = builder.graph.tensors[features]
    if len(tensor.shape) == 2:
        return features
    options = schema.ReshapeOptionsT()
    options.newShape = np.array([1, count], np.int32)
    shape = builder.constant("head/shape", options.newShape, None)
    flat = builder.tensor("head/flat", (1, count), _Type.INT8, _scale_of(tensor))
    builder.operator(_Operator.RESHAPE, 1, [features, shape], flat, _Options.ReshapeOptions, options)
    return flat


def _dense(
    builder: _GraphBuilder,
    inputs: int,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    logit_range: tuple[float, float],
    channels: int,
) -> int:
    feature_scale = _scale_of(builder.graph.tensors[inputs]).scale
    kernel, offsets, scale = quantized_head(weights, bias, feature_scale, channels)
    logits = builder.tensor("head/logits", (1, len(weights)), _Type.INT8, logit_scale(logit_range))
    parts = [
        inputs,
        builder.constant("head/weights", kernel, Scale(scale, 0)),
        builder.constant("head/bias", offsets, Scale(scale * feature_scale, 0)),
    ]
    options = schema.FullyConnectedOptionsT()
    builder.operator(_Operator.FULLY_CONNECTED, 4, parts, logits, _Options.FullyConnectedOptions, options)
    return logits


def quantized_head(
    weights: NDArray[np.float32], bias: NDArray[np.float32], feature_scale: float, channels: int
) -> tuple[NDArray[np.int8], NDArray[np.int32], float]:
    """int8 weights (classes, features), int32 bias (classes,), and the weights' scale (#1, #2, #3)."""
    scale = max(float(np.abs(weights).max()) / _LEVELS, float(np.finfo(np.float32).tiny) / min(feature_scale, 1.0))
    largest = (np.abs(weights).astype(np.float64).sum(axis=1) * _FEATURE_SPAN + np.abs(bias) / feature_scale).max()
    room = _INT32_MAX - weights.shape[1] * _FEATURE_SPAN - 1  # rounding adds at most 1 to each weight
    scale = max(scale, float(largest) / room)
    kernel = _rounded(weights / scale, channels).reshape(weights.shape)
    return kernel, np.round(bias.astype(np.float64) / (scale * feature_scale)).astype(np.int32), scale


def _rounded(levels: NDArray[np.float64], channels: int) -> NDArray[np.int8]:
    """The rounded levels, int8 (classes, places, channels); the rounding error of a place is added to the next (#3)."""
    places = levels.reshape(len(levels), -1, channels)
    kernel = np.empty(places.shape, np.int8)
    left_over = np.zeros_like(places[:, 0])
    for place in range(places.shape[1]):
        wanted = places[:, place] + left_over
        kernel[:, place] = np.round(wanted).clip(-_LEVELS, _LEVELS)
        left_over = wanted - kernel[:, place]
    return kernel


def shown_range(
    weights: NDArray[np.float32], bias: NDArray[np.float32], logit_range: tuple[float, float]
) -> tuple[float, float]:
    """The part of `logit_range` that changes the softmax's result (#4)."""
    opposite = len(weights) == 2 and np.array_equal(weights[0], -weights[1]) and bias[0] == -bias[1]
    if not opposite:
        return logit_range
    low, high = np.clip(logit_range, -OPPOSITE_MOST, OPPOSITE_MOST)
    return float(low), float(high)


def logit_scale(logit_range: tuple[float, float]) -> Scale:
    """The scale of 256 levels over the range, extended so that it includes 0."""
    low, high = min(logit_range[0], 0.0), max(logit_range[1], 0.0)
    scale = (high - low) / 255
    return Scale(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def _softmax(builder: _GraphBuilder, logits: int, classes: int) -> int:
    scale = Scale(PROBABILITY_SCALE, PROBABILITY_ZERO)
    probabilities = builder.tensor(PROBABILITIES, (1, classes), _Type.INT8, scale)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    builder.operator(_Operator.SOFTMAX, 2, [logits], probabilities, _Options.SoftmaxOptions, options)
    return probabilities


def _scale_of(tensor: Any) -> Scale:
    quantization = tensor.quantization
    return Scale(float(quantization.scale[0]), int(quantization.zeroPoint[0]))


def _name(tensor: Any) -> str:
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)
