"""File permissions that also apply to root, so that `chmod 000` is a fault when tests run as root in a container."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_DAC = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def obeying_rights() -> Iterator[None]:
    """Drop root's right to read any file, for this thread and the threads that it starts."""
    libc, header, sets = ctypes.CDLL(None, use_errno=True), _Header(_VERSION_3, 0), (_Sets * 2)()
    for call, change in ((libc.capget, 0), (libc.capset, _DAC)):
        sets[0].effective &= ~change
        if call(ctypes.byref(header), sets):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        yield
    finally:
        sets[0].effective = sets[0].permitted
        libc.capset(ctypes.byref(header), sets)
