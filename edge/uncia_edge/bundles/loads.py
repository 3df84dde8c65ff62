"""How often a bundle was loaded, and whether the process lived to tell: kept before each load.

Decides when a bundle is denied: it ended the trap twice while it was loaded, or five times within the same boot before
the trap had run for ten minutes. A power cut is another boot, and counts for nothing once the bundle has proved itself.
A denied bundle stays denied until somebody removes the note.
"""

import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE, BundleError
from uncia_contract.files import make_folder, write_durable
from uncia_edge.clock import read_clock

_log = logging.getLogger(__name__)

LOADS, TRIALS, CRASHES = "loads.json", 2, 5
SETTLED_S = 600.0
_KEPT = 20


class DeniedError(BundleError):
    """A bundle that ended the trap time and again."""


class _Load(Struct, frozen=True):
    """`trials` did not come out; `crashes` came after; `boot` is set while a process loads or uses the bundle."""

    trials: int = 0
    crashes: int = 0
    boot: str = ""
    proved: bool = False
    denied: str = ""


class Loads:
    """In a file of a folder, by the bundles' sha256."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOADS

    def begin(self, sha256: str) -> None:
        """The bundle is about to be loaded.

        Raises:
            DeniedError: it ended the trap too often.
        """
        load = self._load(sha256)
        crashes = load.crashes + (load.boot == read_clock().boot_id)
        denied = load.denied
        if not denied and load.trials >= TRIALS:
            denied = f"ended the trap {load.trials} times while it was loaded"
        elif not denied and crashes >= CRASHES:
            denied = f"ended the trap {crashes} times after it was loaded"
        trials = load.trials if load.proved or denied else load.trials + 1
        self._keep(sha256, _Load(trials, crashes, "" if denied else read_clock().boot_id, load.proved, denied))
        self.check(sha256)

    def check(self, sha256: str) -> None:
        """Return when the bundle is not denied.

        Raises:
            DeniedError: it is.
        """
        if denied := self._load(sha256).denied:
            raise DeniedError(f"bundle {sha256[:12]} {denied}; denied until {self._path} is removed")

    def has_proved(self, sha256: str) -> bool:
        """Whether it has proved itself on this machine before."""
        return self._load(sha256).proved

    def prove(self, sha256: str) -> None:
        """It was loaded, and has reproduced its probes."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), trials=0, proved=True, boot=""))

    def refuse(self, sha256: str) -> None:
        """It was refused in good order."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), trials=0, boot=""))

    def use(self, sha256: str) -> None:
        """The process decides by it from now on; unless it settles before the process ends, it counts as a crash."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), boot=read_clock().boot_id))

    def settle(self, sha256: str) -> None:
        """The process has run with it long enough, or ends in good order."""
        load = self._load(sha256)
        if load.boot or load.crashes:
            self._keep(sha256, msgspec.structs.replace(load, crashes=0, boot=""))

    def _load(self, sha256: str) -> _Load:
        return self._all().get(sha256, _Load())

    def _all(self) -> dict[str, _Load]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Load])
        except (OSError, *UNDECODABLE):
            return {}

    def _keep(self, sha256: str, load: _Load) -> None:
        loads = self._all()
        if loads.get(sha256) == load:
            return
        loads.pop(sha256, None)
        kept = dict(list({**loads, sha256: load}.items())[-_KEPT:])
        try:
            make_folder(self._path.parent)
            write_durable(self._path, msgspec.json.encode(kept))
        except OSError as error:  # a card that became read-only: what is on it is used all the same
            _log.error("%s: a load of the bundle cannot be noted: %s", self._path, error)
