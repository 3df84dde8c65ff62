"""Reads the tensors of an ONNX model without the onnx package.

An ONNX file is encoded with Protocol Buffers. Only the graph's initialisers are read; everything else is skipped. Field
numbers of onnx.proto3: ModelProto.graph 7, GraphProto.initializer 5, TensorProto dims 1, data_type 2, float_data 4,
name 8, raw_data 9.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = 1
Field = tuple[int, int | memoryview]


def read_initialisers(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 initialisers by name; others (shapes, axes) are left out.

    Raises:
        DataError: no such file, not an ONNX model, a damaged one, or one whose tensors are in other files.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected an ONNX model") from error
    try:
        tensors = dict(_tensors(content))
    except (IndexError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged, or not an ONNX model ({error}); download it again") from error
    if not tensors:
        raise DataError(f"{path}: holds no weights; expected an ONNX model with its tensors inside")
    return tensors


def _tensors(model: memoryview) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for graph in _parts(model, 7):
        for tensor in _parts(graph, 5):
            named = _tensor(tensor)
            if named is not None:
                yield named


def _tensor(message: memoryview) -> tuple[str, NDArray[np.float32]] | None:
    fields = list(_fields(message))
    if (2, _FLOAT) not in [field for field in fields if isinstance(field[1], int)]:
        return None
    name = b"".join(bytes(part) for part in _parts(message, 8)).decode()
    shape = tuple(side for number, value in fields if number == 1 for side in _numbers(value))
    stored = b"".join(bytes(part) for number in (9, 4) for part in _parts(message, number))
    if len(stored) != 4 * math.prod(shape):
        raise ValueError(f"{name} {shape} holds {len(stored)} bytes, expected {4 * math.prod(shape)}")
    return name, np.frombuffer(stored, "<f4").reshape(shape)


def _numbers(value: int | memoryview) -> Iterator[int]:
    """The numbers of a repeated field: single varints, or packed ones."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, value in _fields(message) if found == number and isinstance(value, memoryview))


def _fields(message: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length, at = _length(message, at, kind)
        if at + length > len(message):
            raise ValueError(f"ends within field {number}")
        yield number, message[at : at + length]
        at += length


def _length(message: memoryview, at: int, kind: int) -> tuple[int, int]:
    if kind == _BYTES:
        return _varint(message, at)
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise ValueError(f"unknown wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")
