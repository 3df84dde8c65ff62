"""Arrays as bytes that never vary: npz files with fixed timestamps, read without pickles."""

import io
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


def read_arrays(data: bytes, what: str, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """The named arrays of an npz file's bytes; all of them where none are named.

    Raises:
        BundleError: `what` is not such a file, is larger than 256 MiB unpacked, or lacks an array.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_ARRAY_BYTES:
                raise BundleError(f"{what}: {unpacked} bytes unpacked, expected at most {MAX_ARRAY_BYTES}")
        with _one_reader, np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            names = tuple(arrays.files) if names is None else names
            missing = [name for name in names if name not in arrays]
            if missing:
                raise BundleError(f"{what}: lacks {', '.join(missing)}; it has {', '.join(arrays.files) or 'nothing'}")
            return {name: arrays[name] for name in names}
    except BundleError:
        raise
    except _DAMAGED as error:
        raise BundleError(f"{what}: not a file of arrays ({error})") from error
