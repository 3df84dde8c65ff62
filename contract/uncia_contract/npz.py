"""Arrays as bytes that never vary: npz files with fixed timestamps, read without pickles."""

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

FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
MAX_ARRAY_BYTES = 256 * 1024 * 1024
# What zip, deflate, numpy's header and the room that it claims come to where bytes are damaged (found by fuzzing).
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError, OverflowError,
            zipfile.BadZipFile, zlib.error, tokenize.TokenError)  # fmt: skip
# numpy parses each header with `ast`, which CPython 3.11 fails at now and then where threads do so at the same time.
_one_reader = threading.Lock()


def member(name: str, compress: bool = False) -> zipfile.ZipInfo:
    """A zip entry whose bytes depend on its content alone."""
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
    """The named arrays of an npz file's bytes; all of them where none are named.

    Args:
        data: of the file.
        what: its name, for messages.
        names: of the arrays; None for all.
        limit: how many bytes they may take unpacked. No more memory is taken, whatever the file claims.

    Raises:
        BundleError: `what` is not such a file, is larger than `limit` unpacked, or lacks an array.
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
    """The array in a .npy file; its shape is believed only where the bytes for it are there."""
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
