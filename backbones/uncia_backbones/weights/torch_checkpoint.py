"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without running code from the file.

It reads the format that `torch.save` wrote before version 1.6: five pickles (magic number, protocol, byte order, the
object, the keys of its storages), then each storage as an int64 count and its little-endian values. A pickle can call
any function by its name, so only these names are allowed:

1. Allowed: `collections.OrderedDict`, `torch._utils._rebuild_tensor_v2`, and the storage types below.
2. A tensor never reads outside its storage, and is never larger than it.
3. Any other fault of the file is a DataError too.
"""

import math
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGE_TYPES = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}
_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The checkpoint's tensors by name, in the file's order; each array has its own memory.

    Raises:
        DataError: no such file, another format, a name that is not allowed (the message has it), or a damaged file.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, path)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a PyTorch checkpoint") from error
    except _DAMAGED as error:
        raise DataError(f"{path}: damaged, or not a PyTorch checkpoint ({error}); download it again") from error


def _read(stream: IO[bytes], path: Path) -> dict[str, NDArray[Any]]:
    _check_format(stream, path)
    state = _load(stream, path)
    if not isinstance(state, dict) or not all(isinstance(part, _Tensor) for part in state.values()):
        raise DataError(f"{path}: expected a mapping of names to tensors (a state_dict), got {type(state).__name__}")
    storages = _read_storages(stream, path, state.values())
    return {str(name): _array(tensor, storages, path) for name, tensor in state.items()}


def _check_format(stream: IO[bytes], path: Path) -> None:
    start = stream.read(4)
    stream.seek(0)
    if start == b"PK\x03\x04":
        raise DataError(
            f"{path}: in PyTorch's zip format, expected the older one; "
            "save it with torch.save(..., _use_new_zipfile_serialization=False)"
        )
    if _load(stream, path) != MAGIC:
        raise DataError(f"{path}: not a PyTorch checkpoint (its magic number is missing)")
    protocol = _load(stream, path)
    if protocol != PROTOCOL:
        raise DataError(f"{path}: PyTorch checkpoint of protocol {protocol!r}, expected {PROTOCOL}")
    if _load(stream, path).get("little_endian") is not True:
        raise DataError(f"{path}: written on a big-endian machine, expected little-endian")


def _load(stream: IO[bytes], path: Path) -> Any:
    return _Unpickler(stream, path).load()


class _Unpickler(pickle.Unpickler):
    """An unpickler that makes descriptions of tensors and refuses everything else (#1)."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        raise DataError(f"{self._path}: names {module}.{name}, expected tensors only; do not load this file elsewhere")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise DataError(f"{self._path}: refers to {kind!r} outside itself, expected plain storages only")
        return _Storage(str(key), dtype, int(count))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_gradient: object
) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _read_storages(stream: IO[bytes], path: Path, tensors: Any) -> dict[str, NDArray[Any]]:
    described = {tensor.storage.key: tensor.storage for tensor in tensors}
    storages = {}
    for key in _load(stream, path):
        if key not in described:
            raise DataError(f"{path}: holds storage {key!r} that no tensor uses; download it again")
        storages[key] = _read_storage(stream, path, described[key])
    return storages


def _read_storage(stream: IO[bytes], path: Path, storage: _Storage) -> NDArray[Any]:
    (count,) = struct.unpack("<q", stream.read(8))
    if count != storage.count:
        raise DataError(f"{path}: storage {storage.key} holds {count} values, expected {storage.count}")
    values = stream.read(count * storage.dtype.itemsize)
    if len(values) != count * storage.dtype.itemsize:
        raise DataError(f"{path}: ends within storage {storage.key}; download it again")
    return np.frombuffer(values, storage.dtype)


def _array(tensor: _Tensor, storages: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    values = storages[tensor.storage.key]
    if not _inside(tensor, len(values)):
        raise DataError(f"{path}: a tensor {tensor.shape} reaches outside its storage of {len(values)} values")
    strides = [step * values.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()


def _inside(tensor: _Tensor, count: int) -> bool:
    if len(tensor.shape) != len(tensor.strides) or min((0, tensor.offset, *tensor.shape, *tensor.strides)) < 0:
        return False
    size = math.prod(tensor.shape)
    last = tensor.offset + sum((side - 1) * step for side, step in zip(tensor.shape, tensor.strides, strict=True))
    return 0 < size <= count and last < count
