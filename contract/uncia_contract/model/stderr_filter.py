"""Keeps what a C++ library says at the first load off standard error, and lets everything else through.

Decides which lines are chatter: those that begin with INFO and a colon. The library writes to file descriptor 2, past
Python; an error that it writes there while loading appears as soon as loading has ended.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHATTER = (b"INFO:",)
_one_at_a_time = threading.Lock()


@contextmanager
def without_chatter() -> Iterator[None]:
    """Descriptor 2 without the chatter of what runs inside; other lines come out at the end, whatever happens."""
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        try:
            original = os.dup(2)
        except OSError:  # a service without standard error
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            held.seek(0)
            _write_all(original, b"".join(line for line in held if not line.startswith(CHATTER)))
            os.close(original)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
