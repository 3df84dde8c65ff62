"""Reproducible npz files: equal arrays give equal bytes (fixed timestamps); pickles are never read."""

import io
import math
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError

FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
MAX_ARRAY_BYTES = 256 * 1024 * 1024
# The errors that zipfile, zlib and numpy raise for damaged bytes (found by fuzzing).
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError, OverflowError,
            zipfile.BadZipFile, zlib.error, tokenize.TokenError)  # fmt: skip
# numpy parses each header with `ast`. In CPython 3.11 this sometimes fails when several threads do it at once.
_one_reader = threading.Lock()


def member(name: str, compress: bool = False) -> zipfile.ZipInfo:
    """A zip entry whose bytes depend only on its name and content."""
    info = zipfile.ZipInfo(name, FIXED_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    return info


def write_arrays(arrays: Mapping[str, NDArray[Any] | np.generic], compress: bool = False) -> bytes:
    """An npz file's bytes; equal arrays give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(member(f"{name}.npy", compress), buffer.getvalue())
    return out.getvalue()


def read_arrays(
    data: bytes, what: str, names: tuple[str, ...] | None = None, limit: int = MAX_ARRAY_BYTES
) -> dict[str, NDArray[Any]]:
    """Arrays of an npz file, by name.

    Args:
        data: the file's bytes.
        what: the file's name, for messages.
        names: the arrays to read; None for all.
        limit: the most bytes that all arrays may take unpacked. This bounds the memory used, whatever the file claims.

    Raises:
        BundleError: the file is not an npz file, is larger than `limit` unpacked, or lacks an array.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > limit:
                raise BundleError(f"{what}: {unpacked} bytes unpacked, expected at most {limit}")
            names = tuple(sizes) if names is None else names
            missing = [name for name in names if name not in sizes]
            if missing:
                raise BundleError(f"{what}: lacks {', '.join(missing)}; it has {', '.join(sizes) or 'nothing'}")
            return {name: _array(archive.read(f"{name}.npy")) for name in names}
    except BundleError:
        raise
    except _DAMAGED as error:
        raise BundleError(f"{what}: not a file of arrays ({error})") from error


def _array(content: bytes) -> NDArray[Any]:
    """The array in a .npy file. Its bytes must be exactly as many as the header's shape and dtype need."""
    stream = io.BytesIO(content)
    with _one_reader:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    stated, there = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
    if dtype.hasobject or stated != there:
        raise ValueError(f"{dtype} {shape} in {there} bytes")
    array = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
    return array.copy(order="K")
