"""The feature store: keeps computed features on disk, by a key of their picture and part.

The rows of one network and layer are in one folder: `rows.bin` (all rows, mapped into memory, never loaded whole) and
`keys.txt` (one key for each row). A key is made from the picture's sha256, the part, the augmentation and the
preprocessing rule. So a renamed picture is found, and a changed one is not. A row counts once its key is written; rows
that an interruption left incomplete are cut off when the store is opened again.
"""

import fcntl
import hashlib
import mmap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import StorageError
from uncia_contract.pictures.preprocessing import RULE
from uncia_contract.pictures.region import Region

KEY_BYTES = 65  # 64 hexadecimal digits and the end of the line
CHUNK_BYTES = 64 * 1024 * 1024
_HALVES_AT_ONCE = 32 * 1024


def content_key(picture: bytes, region: Region | None, augmentation: str) -> str:
    """The key of an augmentation of a part of a picture, from the picture's bytes: 64 hexadecimal digits."""
    return part_key(hashlib.sha256(picture).digest(), region, augmentation)


def part_key(content: bytes, region: Region | None, augmentation: str) -> str:
    """The same key as `content_key`, from the sha256 of the picture's bytes (32 bytes)."""
    part = "whole" if region is None else f"{region.left:.6f} {region.top:.6f} {region.width:.6f} {region.height:.6f}"
    return hashlib.sha256(content + f"|{part}|{augmentation}|{RULE}".encode()).hexdigest()


def widened(values: NDArray[Any]) -> NDArray[np.float32]:
    """The values as float32, bit for bit like `astype`; float16 values must be finite.

    numpy converts float16 values one by one, which took most of a fit's time. Here their bits are shifted to their
    places in float32, and a multiplication corrects the exponent; both work on whole vectors, in blocks that fit in the
    processor's cache.
    """
    if values.dtype != np.float16:
        return values.astype(np.float32)
    halves = np.ascontiguousarray(values).reshape(-1).view(np.uint16)
    wide = np.empty(len(halves), np.uint32)
    for start in range(0, len(halves), _HALVES_AT_ONCE):
        part = slice(start, start + _HALVES_AT_ONCE)
        _widen(halves[part], wide[part])
    return wide.view(np.float32).reshape(values.shape)


def _widen(halves: NDArray[np.uint16], wide: NDArray[np.uint32]) -> None:
    np.copyto(wide, halves.view(np.int16), casting="unsafe")  # extends the sign to the top bits
    wide <<= 13
    wide &= 0x8FFFE000
    numbers = wide.view(np.float32)
    numbers *= np.float32(2.0**112)  # the difference between the two exponents' biases is 112


class FeatureStore:
    """Rows of one width and dtype in a folder. Only one program can have it open; a lock ensures this."""

    def __init__(self, folder: Path, width: int, dtype: Any) -> None:
        """Open or make the store, and cut off incomplete rows.

        Raises:
            StorageError: the folder cannot be written, or another program uses it.
        """
        self._folder, self._width, self._dtype = folder, width, np.dtype(dtype)
        self._row_bytes = width * self._dtype.itemsize
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._keys_file = (folder / "keys.txt").open("a+b")
            self._rows_file = (folder / "rows.bin").open("a+b")
            fcntl.flock(self._keys_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"{folder}: another run uses these features; wait for it or give --cache DIR") from error
        except OSError as error:
            raise StorageError(f"{folder}: cannot be written ({error.strerror}); give another --cache DIR") from error
        self._numbers = {key: number for number, key in enumerate(self._whole_keys())}
        self._adding = threading.Lock()

    def __enter__(self) -> "FeatureStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and release the lock."""
        self._rows_file.close()
        self._keys_file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, key: str, row: NDArray[Any]) -> None:
        """Append one row (width,), unless the key has a row already. Safe to call from several threads.

        Values beyond the dtype's range (65,504 for float16; random weights give such values) are clipped to it.
        """
        if np.issubdtype(self._dtype, np.floating):
            most = np.finfo(self._dtype).max
            row = np.clip(row, -most, most)
        with self._adding:
            if key in self._numbers:
                return
            self._rows_file.write(np.ascontiguousarray(row, self._dtype).tobytes())
            self._rows_file.flush()
            self._keys_file.write(key.encode() + b"\n")
            self._keys_file.flush()
            self._numbers[key] = len(self._numbers)

    def rows(self, keys: Sequence[str]) -> "StoredRows":
        """The rows of these keys, in this order; they are read later."""
        return StoredRows(self._folder / "rows.bin", [self._numbers[key] for key in keys], self._width, self._dtype)

    def _whole_keys(self) -> list[str]:
        whole = min(
            (self._folder / "keys.txt").stat().st_size // KEY_BYTES,
            (self._folder / "rows.bin").stat().st_size // self._row_bytes,
        )
        self._keys_file.truncate(whole * KEY_BYTES)
        self._rows_file.truncate(whole * self._row_bytes)
        self._keys_file.seek(0)
        return self._keys_file.read().decode().split()


class StoredRows:
    """Rows of a store in a given order; they are read in chunks, and only one chunk is in memory at a time."""

    def __init__(self, path: Path, numbers: Sequence[int], width: int, dtype: np.dtype[Any]) -> None:
        self._path, self.numbers = path, np.asarray(numbers, np.intp)
        self._dtype, self.shape = dtype, (len(numbers), width)

    @property
    def name(self) -> str:
        """The names of network and layer, such as `NETWORK/pooled`, without the store's path."""
        return f"{self._path.parents[1].name}/{self._path.parent.name}"

    def take(self, chosen: NDArray[Any]) -> "StoredRows":
        """Some of the rows, chosen by indices or a mask."""
        return StoredRows(self._path, self.numbers[chosen].tolist(), self.shape[1], self._dtype)

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The rows in chunks of at most 64 MiB: the slice in this order, and the rows, float32 (rows, width)."""
        if not len(self.numbers):
            return
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            whole = np.frombuffer(memory, self._dtype, len(memory) // self._dtype.itemsize).reshape(-1, self.shape[1])
            step = max(1, CHUNK_BYTES // (4 * self.shape[1]))
            for start in range(0, len(self.numbers), step):
                part = slice(start, min(start + step, len(self.numbers)))
                yield part, widened(whole[self.numbers[part]])
                memory.madvise(mmap.MADV_DONTNEED)  # otherwise pages that were read count as the process's memory
            del whole

    def columns(self, block: slice) -> NDArray[np.float32]:
        """A block of columns of all rows, float32 (rows, columns)."""
        if not len(self.numbers):
            return np.empty((0, len(range(*block.indices(self.shape[1])))), np.float32)
        whole = np.memmap(self._path, self._dtype, mode="r").reshape(-1, self.shape[1])
        return widened(whole[self.numbers, block])

    def load(self) -> NDArray[np.float32]:
        """All rows at once, float32 (rows, width)."""
        out = np.empty(self.shape, np.float32)
        for part, values in self.chunks():
            out[part] = values
        return out
