"""Rights that hold for root, too: `chmod 000` is a real fault where tests run as root, as in a container."""

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
    """This thread, and those that it starts, may read what its owner may read, and no more."""
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
