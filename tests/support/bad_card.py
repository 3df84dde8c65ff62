"""A card that refuses chosen changes below a folder, in a process with the shim of bad_card.c."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from uncia_contract.errors import StorageError

FOR_GOOD = 1_000_000_000


def compile_bad_card(folder: Path) -> Path:
    """The shim as a shared library in `folder`, to be preloaded.

    Raises:
        StorageError: no compiler, or it refused.
    """
    source, library = Path(__file__).with_suffix(".c"), folder / "bad_card.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise StorageError("no C compiler for the shim of the bad card; install gcc")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorageError(f"the shim of the bad card does not compile: {done.stderr[:300]}")
    return library


class BadCard:
    """Controls the shim in this process: which changes below `folder` fail."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self._shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._shim.card_calls.restype = ctypes.c_long
        self._shim.card_refuses.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_long, ctypes.c_int]

    def refuse(self, first: int, times: int, code: int) -> None:
        """Make `times` changes fail with that errno, beginning with change `first` (counted from 1, from now)."""
        self._shim.card_refuses(self._folder, first, times, code)

    def relent(self) -> int:
        """Let all changes succeed again; return how many there were since `refuse`."""
        calls = int(self._shim.card_calls())
        self._shim.card_refuses(b"", 0, 0, 0)
        return calls
