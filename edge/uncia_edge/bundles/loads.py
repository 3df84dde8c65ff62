"""Counts how often a bundle ended the trap's process, and denies a bundle that did so too often.

The count is written before each load. A bundle is denied if it ended the process twice while it was loaded, or five
times within one boot before the trap had run for ten minutes. A power cut changes the boot; it does not count once the
bundle has reproduced its probes. A denied bundle stays denied until a person removes the file.
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
    """The bundle ended the trap's process too often."""


class _Load(Struct, frozen=True):
    """The history of one bundle.

    `trials`: loads without a result; `crashes`: ends of the process after loading; `boot`: set while a process loads
    the bundle or has used it for less than `SETTLED_S`; `denied`: why it is denied.
    """

    trials: int = 0
    crashes: int = 0
    boot: str = ""
    proved: bool = False
    denied: str = ""


class Loads:
    """The histories of bundles, by their sha256, in a file of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOADS

    def begin(self, sha256: str) -> None:
        """Note that the bundle is about to be loaded.

        Raises:
            DeniedError: it ended the process too often.
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
        """Return if the bundle is not denied.

        Raises:
            DeniedError: it is denied.
        """
        if denied := self._load(sha256).denied:
            raise DeniedError(f"bundle {sha256[:12]} {denied}; denied until {self._path} is removed")

    def has_proved(self, sha256: str) -> bool:
        """Whether the bundle has reproduced its probes on this machine before."""
        return self._load(sha256).proved

    def prove(self, sha256: str) -> None:
        """Note that the bundle was loaded and has reproduced its probes."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), trials=0, proved=True, boot=""))

    def refuse(self, sha256: str) -> None:
        """Note that the bundle was refused without ending the process."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), trials=0, boot=""))

    def use(self, sha256: str) -> None:
        """Note that the process uses the bundle now. If it ends without `settle`, that counts as a crash."""
        self._keep(sha256, msgspec.structs.replace(self._load(sha256), boot=read_clock().boot_id))

    def settle(self, sha256: str) -> None:
        """Note that the process has run with the bundle for long enough, or ends normally."""
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
        except OSError as error:  # the card became read-only: its bundles are still used
            _log.error("%s: the load of a bundle cannot be written: %s", self._path, error)
