"""The head inside the graph: appended to the backbone's flatbuffer, so that the features stay as they are to the bit.

Decides how the logistic head is quantized (int8 weights, int32 bias, int8 softmax of scale 1/256) and what the two
outputs are called. Nothing before the features is touched: no conversion runs again, so none can change them.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from uncia_contract.errors import BundleError

FEATURES, PROBABILITIES = "features", "probabilities"
_INT8_LEVELS = 127
_SOFTMAX_SCALE, _SOFTMAX_ZERO = 1 / 256, -128  # what TFLite's int8 softmax gives, fixed by its specification


def attach_head(
    backbone: bytes, weights: NDArray[np.float32], bias: NDArray[np.float32], logit_range: tuple[float, float]
) -> bytes:
    """The backbone with two outputs: `features` as before, and `probabilities` int8 (1, classes), (q + 128) / 256.

    Args:
        backbone: an int8 model with one output, int8 (1, features) or (1, height, width, channels).
        weights: float32 (classes, features), calibration folded in.
        bias: float32 (classes,).
        logit_range: smallest and largest logit to be expected; beyond it they saturate.

    Raises:
        BundleError: the backbone is no such model, or has another number of features than the weights.
    """
    model = _unpack(backbone)
    graph = model.subgraphs[0]
    features = _only_output(graph, weights.shape[1])
    flat = _flattened(model, features, weights.shape[1])
    logits = _dense(model, flat, weights, bias, logit_range)
    probabilities = _add_tensor(
        model, PROBABILITIES, (1, len(weights)), schema.TensorType.INT8, [_SOFTMAX_SCALE], [_SOFTMAX_ZERO]
    )
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    _add_operator(
        model, schema.BuiltinOperator.SOFTMAX, 2, [logits], probabilities, schema.BuiltinOptions.SoftmaxOptions, options
    )
    graph.tensors[features].name = FEATURES
    graph.outputs = np.array([features, probabilities], np.int32)
    _sign(model, features, probabilities)
    return _pack(model)


def _unpack(data: bytes) -> "schema.ModelT":
    if data[4:8] != b"TFL3":
        raise BundleError("backbone.tflite: not a TFLite model (no TFL3 mark)")
    return schema.ModelT.InitFromPackedBuf(data, 0)


def _only_output(graph: "schema.SubGraphT", features: int) -> int:
    if len(graph.outputs) != 1:
        raise BundleError(f"backbone.tflite: {len(graph.outputs)} outputs, expected one: its features")
    index = int(graph.outputs[0])
    tensor = graph.tensors[index]
    count = int(np.prod(tensor.shape[1:]))
    if tensor.type != schema.TensorType.INT8 or count != features:
        raise BundleError(
            f"backbone.tflite: output of type {tensor.type} with {count} features; expected int8 and {features}"
        )
    return index


def _flattened(model: "schema.ModelT", features: int, count: int) -> int:
    """The features as (1, count): themselves, or behind a RESHAPE where they are a map."""
    tensor = model.subgraphs[0].tensors[features]
    if len(tensor.shape) == 2:
        return features
    shape = np.array([1, count], np.int32)
    target = _add_constant(model, "head/shape", shape, schema.TensorType.INT32, [], [])
    flat = _add_tensor(
        model, "head/flat", (1, count), schema.TensorType.INT8, tensor.quantization.scale, tensor.quantization.zeroPoint
    )
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    _add_operator(
        model,
        schema.BuiltinOperator.RESHAPE,
        1,
        [features, target],
        flat,
        schema.BuiltinOptions.ReshapeOptions,
        options,
    )
    return flat


def _dense(
    model: "schema.ModelT",
    inputs: int,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    logit_range: tuple[float, float],
) -> int:
    """FULLY_CONNECTED: int8 weights of one scale (older runtimes take no other), int32 bias, int8 logits."""
    input_scale = float(model.subgraphs[0].tensors[inputs].quantization.scale[0])
    scale = max(float(np.abs(weights).max()) / _INT8_LEVELS, 1e-12)
    rounded = np.clip(np.round(weights / scale), -_INT8_LEVELS, _INT8_LEVELS).astype(np.int8)
    kernel = _add_constant(model, "head/weights", rounded, schema.TensorType.INT8, [scale], [0])
    offsets = np.round(bias.astype(np.float64) / (input_scale * scale)).astype(np.int32)
    shift = _add_constant(model, "head/bias", offsets, schema.TensorType.INT32, [input_scale * scale], [0])
    low, high = min(logit_range[0], 0.0), max(logit_range[1], 0.0)
    logit_scale = max((high - low) / 255, 1e-6)
    zero = int(np.clip(round(-128 - low / logit_scale), -128, 127))
    logits = _add_tensor(model, "head/logits", (1, len(weights)), schema.TensorType.INT8, [logit_scale], [zero])
    options = schema.FullyConnectedOptionsT()
    _add_operator(
        model,
        schema.BuiltinOperator.FULLY_CONNECTED,
        4,
        [inputs, kernel, shift],
        logits,
        schema.BuiltinOptions.FullyConnectedOptions,
        options,
    )
    return logits


def _add_tensor(
    model: "schema.ModelT",
    name: str,
    shape: tuple[int, ...],
    kind: int,
    scale: "list[float] | NDArray[np.float32]",
    zero: "list[int] | NDArray[np.int64]",
    buffer: int = 0,
) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, np.array(shape, np.int32), kind, buffer
    tensor.quantization = schema.QuantizationParametersT()
    if len(scale):
        tensor.quantization.scale = np.asarray(scale, np.float32)
        tensor.quantization.zeroPoint = np.asarray(zero, np.int64)
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1


def _add_constant(
    model: "schema.ModelT",
    name: str,
    values: "NDArray[np.int8] | NDArray[np.int32]",
    kind: int,
    scale: list[float],
    zero: list[int],
) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _add_tensor(model, name, values.shape, kind, scale, zero, len(model.buffers) - 1)


def _add_operator(
    model: "schema.ModelT", code: int, version: int, inputs: list[int], output: int, options_kind: int, options: object
) -> None:
    operator = schema.OperatorT()
    operator.opcodeIndex = _operator_code(model, code, version)
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = options_kind, options
    model.subgraphs[0].operators.append(operator)


def _operator_code(model: "schema.ModelT", code: int, version: int) -> int:
    for index, known in enumerate(model.operatorCodes):
        if (known.builtinCode, known.version) == (code, version):
            return index
    added = schema.OperatorCodeT()
    added.builtinCode, added.deprecatedBuiltinCode, added.version = code, min(code, 127), version
    model.operatorCodes.append(added)
    return len(model.operatorCodes) - 1


def _sign(model: "schema.ModelT", features: int, probabilities: int) -> None:
    """The signature names both outputs, for tools that ask by name."""
    for signature in model.signatureDefs or []:
        signature.outputs = []
        for name, index in ((FEATURES, features), (PROBABILITIES, probabilities)):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, index
            signature.outputs.append(entry)


def _pack(model: "schema.ModelT") -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
