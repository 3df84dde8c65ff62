"""TensorFlow's chatter, kept from the terminal unless something fails."""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_STDOUT, _STDERR = 1, 2


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing written to standard output or error inside, not by C++ either; all of it, if an error leaves.

    Python's warnings are ignored meanwhile. Works on file descriptors: for one thread at a time.
    """
    with tempfile.TemporaryFile() as chatter, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = _redirect(chatter.fileno())
        try:
            yield
        except BaseException as error:
            _restore(kept)
            if isinstance(error, Exception):  # not Ctrl-C, which explains itself
                chatter.seek(0)
                sys.stderr.write(chatter.read().decode(errors="replace"))
            raise
        _restore(kept)


def _redirect(target: int) -> tuple[int, int]:
    _flush()
    kept = os.dup(_STDOUT), os.dup(_STDERR)
    os.dup2(target, _STDOUT)
    os.dup2(target, _STDERR)
    return kept


def _restore(kept: tuple[int, int]) -> None:
    _flush()
    for saved, descriptor in zip(kept, (_STDOUT, _STDERR), strict=True):
        os.dup2(saved, descriptor)
        os.close(saved)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
