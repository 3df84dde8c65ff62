"""Hides output that C++ libraries write directly to file descriptors 1 and 2.

`without_info_lines` is for a runtime that loads a model: only lines that begin with "INFO:" are hidden.
`silenced_unless_error` is for TensorFlow: everything is hidden, unless an error is raised.
"""

import io
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INFO_PREFIX = b"INFO:"
_STDOUT, _STDERR = 1, 2
_one_at_a_time = threading.RLock()


@contextmanager
def without_info_lines() -> Iterator[None]:
    """Hide INFO lines on standard error; other lines are written when the block ends, also after an error."""
    captured = io.BytesIO()
    try:
        with _captured(captured, _STDERR):
            yield
    finally:
        captured.seek(0)
        _write_all(b"".join(line for line in captured if not line.startswith(INFO_PREFIX)))


@contextmanager
def silenced_unless_error() -> Iterator[None]:
    """Hide standard output and error of the block; after an `Exception` (not Ctrl-C) write all to standard error.

    Python's warnings are ignored within the block.
    """
    captured = io.BytesIO()
    try:
        with _captured(captured, _STDOUT, _STDERR), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception:
        sys.stderr.write(captured.getvalue().decode(errors="replace"))
        raise


@contextmanager
def _captured(captured: io.BytesIO, *descriptors: int) -> Iterator[None]:
    """Collect what is written to the descriptors within the block. Only one thread does this at a time; others wait."""
    with _one_at_a_time, tempfile.TemporaryFile() as file:
        _flush()
        originals: dict[int, int] = {}
        for descriptor in descriptors:
            with suppress(OSError):  # a service without standard error
                originals[descriptor] = os.dup(descriptor)
                os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            _flush()
            for descriptor, original in originals.items():
                os.dup2(original, descriptor)
                os.close(original)
            file.seek(0)
            captured.write(file.read())


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(_STDERR, data) :]
