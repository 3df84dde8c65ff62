"""The resume log: one JSON line for each finished sequence, so that an interrupted run can continue.

An entry counts once its end of line is written; an incomplete last line is cut off. A sequence with a picture that
could not be read does not count, so that it is tried again: the fault may be gone.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import msgspec

from uncia_contract.errors import UNDECODABLE, StorageError
from uncia_contract.files import storage_errors
from uncia_contract.pictures.jpeg import UNREADABLE

Value = TypeVar("Value")
_UNREAD = f'"failure":"{UNREADABLE}'.encode()


class SequenceLog(Generic[Value]):
    """The results of sequences by key; memory holds only the place of each entry in the file."""

    def __init__(self, path: Path, kind: Any) -> None:
        """Open the log; make it and its folder where they are missing.

        Args:
            path: the log's file.
            kind: the type of the values, as msgspec takes it.

        Raises:
            StorageError: it cannot be written.
        """
        self._line: Any = tuple[str, kind]
        self._offsets: dict[bytes, int] = {}
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a+b")
            end = self._index()
            self._stream.truncate(end)
        self.path, self._end = path, end

    def __enter__(self) -> "SequenceLog[Value]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, key: str, value: Value) -> None:
        """Append the result of one sequence.

        Raises:
            StorageError: the file cannot be written, for example because the disk is full.
        """
        line = msgspec.json.encode([key, value]) + b"\n"
        with storage_errors(self.path, "; what is in it is kept"):
            self._stream.write(line)
            self._stream.flush()
        self._offsets[bytes.fromhex(key)] = self._end
        self._end += len(line)

    def read(self, key: str) -> Value:
        """The result under a key.

        Raises:
            KeyError: there is none.
            StorageError: the entry is damaged, or of another version.
        """
        self._stream.seek(self._offsets[bytes.fromhex(key)])
        try:
            value: Value = msgspec.json.decode(self._stream.readline(), type=self._line)[1]
        except UNDECODABLE as error:
            raise StorageError(f"{self.path}: a damaged entry ({error}); delete the file and start again") from error
        return value

    def _index(self) -> int:
        """Record the offset of every complete line, and return where the last one ends (bytes)."""
        end = 0
        for offset, line in self._lines():
            try:
                if _UNREAD in line:
                    continue
                key = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])[0]
                self._offsets[bytes.fromhex(key)] = offset
            except (msgspec.DecodeError, ValueError):
                continue
            finally:
                end = offset + len(line)
        return end

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        self._stream.seek(0)
        offset = 0
        for line in self._stream:
            if line.endswith(b"\n"):
                yield offset, line
                offset += len(line)
