"""Remembers which bundles have reproduced their probes on this machine; a pass does not run those probes again.

A proof is valid for the bundle's bytes, the versions of the runtimes, the processor, and the delegate's library with
its bytes. If one of these changes, the probes are run again. The hashes of a bundle's members are checked at every
start, whatever is noted here.
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
    """The proofs in one state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def holds(self, sha256: str, delegate: str) -> bool:
        """Whether the bundle has reproduced its probes with this machine, these runtimes and this delegate."""
        return _key(sha256, delegate) in self._known()

    def note(self, sha256: str, delegate: str) -> None:
        """Note that the bundle has reproduced its probes. If the card refuses, the next pass runs them again."""
        known, key = self._known(), _key(sha256, delegate)
        if key in known:
            return
        try:
            write_durable(self._path, msgspec.json.encode([*known, key][-_KEPT:]))
        except OSError as error:
            _log.warning("%s: a proof cannot be written: %s", self._path, error)

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
    """The kind of processor: models and features, without frequencies."""
    try:
        lines = _CPU.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part", "CPU revision", "Model")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _library(delegate: str) -> str:
    """The sha256 of a delegate's library; empty if it cannot be read."""
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
