"""Checks that bytes are a complete TFLite flatbuffer, before an interpreter loads them.

It checks only that every table and vector lies inside the file. A truncated model must be refused here, because
tflite-runtime 2.14 crashes on it (ai-edge-litert reports an error). Layout: https://flatbuffers.dev/internals and
TFLite's `schema.fbs`.
"""

import struct

from uncia_contract.errors import BundleError

_IDENTIFIER = b"TFL3"
# For each kind of table, the numbers of its vector fields, and the kind of their content.
_VECTORS = {
    "Model": {1: "OperatorCode", 2: "SubGraph", 4: "Buffer"},
    "SubGraph": {0: "Tensor", 3: "Operator"},
    "Buffer": {0: "bytes"},
    "Tensor": {0: "numbers", 3: "bytes"},
    "Operator": {1: "numbers", 2: "numbers"},
    "OperatorCode": {},
}


def check_model(data: bytes) -> None:
    """Check that bytes are a complete TFLite model.

    Raises:
        BundleError: not a TFLite flatbuffer, or truncated.
    """
    if data[4:8] != _IDENTIFIER:
        raise BundleError(f"model.tflite: begins with {data[:8]!r}, expected a TFLite flatbuffer ({_IDENTIFIER!r})")
    try:
        _walk(data, struct.unpack_from("<I", data)[0], "Model")
    except (struct.error, IndexError) as error:
        raise BundleError(
            f"model.tflite: truncated or damaged: cannot load it ({len(data)} bytes end before a part that they name); "
            "expected a TFLite flatbuffer"
        ) from error


def _walk(data: bytes, table: int, kind: str) -> None:
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if vtable < 0:
        raise IndexError(vtable)
    vtable_bytes, table_bytes = struct.unpack_from("<HH", data, vtable)
    if vtable + vtable_bytes > len(data) or table + table_bytes > len(data):
        raise IndexError(table)
    fields = (vtable_bytes - 4) // 2
    for field, content in _VECTORS[kind].items():
        offset = struct.unpack_from("<H", data, vtable + 4 + 2 * field)[0] if field < fields else 0
        if offset:
            at = table + offset
            _vector(data, at + struct.unpack_from("<I", data, at)[0], content)


def _vector(data: bytes, at: int, content: str) -> None:
    length = struct.unpack_from("<I", data, at)[0]
    if at + 4 + length * (1 if content == "bytes" else 4) > len(data):
        raise IndexError(length)
    if content in _VECTORS:
        for item in range(at + 4, at + 4 + 4 * length, 4):
            _walk(data, item + struct.unpack_from("<I", data, item)[0], content)
