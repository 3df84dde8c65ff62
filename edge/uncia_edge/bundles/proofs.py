"""Which bundles have reproduced their probes on this machine, for passes, that start too often to prove them each time.

Decides what a proof holds for: the bundle's bytes, the versions of the runtimes, the processor, the delegate's library
and its bytes. Anything else is another machine, where the bundle proves itself anew. Of no concern here: the
hashes of a bundle's members are checked at every start.
"""

import ctypes.util
import hashlib
import logging
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import write_durable

_log = logging.getLogger(__name__)

FILE = "proofs.json"
_KEPT = 20
_RUNTIMES = ("ai-edge-litert", "tflite-runtime", "numpy")
_CPU = Path("/proc/cpuinfo")
_PLACES = ("/usr/lib/aarch64-linux-gnu", "/usr/lib/arm-linux-gnueabihf", "/usr/lib/x86_64-linux-gnu", "/usr/local/lib")


class Proofs:
    """Those of one state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def holds(self, sha256: str, delegate: str) -> bool:
        """Whether the bundle has proved itself on what is here now."""
        return _key(sha256, delegate) in self._known()

    def note(self, sha256: str, delegate: str) -> None:
        """It did so now. A card that refuses the note costs the next pass its time."""
        known, key = self._known(), _key(sha256, delegate)
        if key in known:
            return
        try:
            write_durable(self._path, msgspec.json.encode([*known, key][-_KEPT:]))
        except OSError as error:
            _log.warning("%s: a proof cannot be noted: %s", self._path, error)

    def _known(self) -> list[str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[str])
        except (OSError, *UNDECODABLE):
            return []


def _key(sha256: str, delegate: str) -> str:
    parts = [sha256, *map(_version, _RUNTIMES), platform.machine(), _processor(), delegate, _library(delegate)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """What tells one kind of processor from another: models and features, no frequencies."""
    try:
        lines = _CPU.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part", "CPU revision", "Model")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _library(delegate: str) -> str:
    """The sha256 of a delegate's library; empty where there is none to be read."""
    if not delegate:
        return ""
    path = Path(delegate)
    if not path.is_file():
        name = ctypes.util.find_library(path.name.split(".so")[0].removeprefix("lib")) or path.name
        path = next((found for place in _PLACES if (found := Path(place, name)).is_file()), path)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
