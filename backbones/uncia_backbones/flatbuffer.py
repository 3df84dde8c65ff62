"""Reads TFLite models as objects, writes them, and gives the names of their operators and types.

Equal models give equal bytes, with buffers aligned to 16. It uses the schema that comes with ai-edge-litert.
"""

import struct
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from uncia_contract.errors import BundleError

FILE_ID = b"TFL3"
ALIGNMENT = 16
SIGNATURE = "serving_default"
_OPERATOR_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_TYPE_NAMES = {number: name.lower() for name, number in vars(schema.TensorType).items() if not name.startswith("_")}


class _AlignedBuffer(schema.BufferT):
    """A buffer whose bytes start at a multiple of 16: the schema's force_align, which Python's packer ignores."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema's name
        data = None if self.data is None else _aligned_vector(builder, np.asarray(self.data, np.uint8).tobytes())
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def _aligned_vector(builder: Any, data: bytes) -> Any:
    builder.StartVector(1, len(data), ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return builder.EndVector()


def unpack(model: bytes) -> Any:
    """The model as a `ModelT` of the schema's object API.

    Raises:
        BundleError: not a TFLite model, or a damaged one.
    """
    if model[4:8] != FILE_ID:
        raise BundleError(f"not a TFLite model: starts with {model[:8]!r}, expected {FILE_ID!r} at byte 4")
    try:
        unpacked = schema.ModelT.InitFromPackedBuf(model, 0)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise BundleError(f"damaged TFLite model ({error}); make it again") from error
    if not unpacked.subgraphs or not unpacked.operatorCodes or not unpacked.buffers:
        raise BundleError("TFLite model without a graph; make it again")
    return unpacked


def pack(model: Any) -> bytes:
    """The bytes of a `ModelT`; equal models give equal bytes."""
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=FILE_ID)
    return bytes(builder.Output())


def buffer_of(values: np.ndarray[Any, Any]) -> Any:
    """A buffer with an array's little-endian bytes."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    return buffer


def store(model: Any, tensor: Any, values: np.ndarray[Any, Any]) -> None:
    """Store values in the tensor's buffer, or in a new buffer if other tensors use the old one too."""
    users = sum(1 for graph in model.subgraphs for one in graph.tensors if one.buffer == tensor.buffer)
    if users > 1:
        model.buffers.append(buffer_of(values))
        tensor.buffer = len(model.buffers) - 1
    else:
        model.buffers[tensor.buffer] = buffer_of(values)


def constant(model: Any, tensor: Any, dtype: Any = np.float32) -> Any:
    """A tensor's stored values, in its shape."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    return np.frombuffer(data, dtype).reshape(tensor.shape)


def signature(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Any:
    """The signature `serving_default` of the first subgraph, from tensor numbers by name, in this order."""
    made = schema.SignatureDefT()
    made.signatureKey = SIGNATURE
    made.subgraphIndex = 0
    made.inputs = [_named(name, index) for name, index in inputs.items()]
    made.outputs = [_named(name, index) for name, index in outputs.items()]
    return made


def _named(name: str, index: int) -> Any:
    tensor = schema.TensorMapT()
    tensor.name, tensor.tensorIndex = name, int(index)
    return tensor


def operator_name(model: Any, operator: Any) -> str:
    """The operator's name, such as CONV_2D, or that of a custom operator."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == schema.BuiltinOperator.CUSTOM:
        return str(code.customCode.decode(errors="replace"))
    return _OPERATOR_NAMES.get(number, f"operator {number}")


def type_name(tensor: Any) -> str:
    """A tensor's type in lower case, such as int8."""
    return _TYPE_NAMES.get(tensor.type, f"type {tensor.type}")
