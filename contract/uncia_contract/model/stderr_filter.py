"""Keeps what C++ libraries write past Python, to file descriptors 1 and 2, from the terminal.

Decides what comes through all the same: of a runtime that loads a model, every line that does not begin with INFO and a
colon; of TensorFlow's work, all of it where an error leaves, and nothing else.
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
    """Standard error without INFO lines; other lines come out at the end, whatever happens."""
    captured = io.BytesIO()
    try:
        with _captured(captured, _STDERR):
            yield
    finally:
        captured.seek(0)
        _write_all(b"".join(line for line in captured if not line.startswith(INFO_PREFIX)))


@contextmanager
def silenced_unless_error() -> Iterator[None]:
    """Nothing on standard output or error; all of it on standard error, if an `Exception` leaves (Ctrl-C is none).

    Python's warnings are ignored meanwhile.
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
    """Collects what is written to the descriptors; for one thread at a time, others wait."""
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
