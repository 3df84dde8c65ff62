"""Selects the bundle that scores: the installed one, else the configured one, else one that worked before.

A refused or denied bundle never stops a trap that has worked before. A bundle is good once this machine has reproduced
its probes. The last good bundle and the one before it are kept in the state folder.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from uncia_contract.errors import BundleError
from uncia_contract.files import make_folder, write_durable
from uncia_contract.model.bundle import Bundle, Vouch, read_bundle
from uncia_edge.bundles.installed import EARLIER_GOOD, LAST_GOOD, InstalledBundle, sha256_of_file
from uncia_edge.bundles.loads import DeniedError, Loads
from uncia_edge.bundles.trust import Trust
from uncia_edge.scoring.delegate import ChosenClassifier

_log = logging.getLogger(__name__)

# Returns the classifier of a bundle after its probes were reproduced here; otherwise raises BundleError.
Prove = Callable[[Path, Bundle], ChosenClassifier]


@dataclass(frozen=True)
class BundleInUse:
    """The bundle that scores, its classifier, and why another one was refused (None if none was)."""

    bundle: Bundle
    chosen: ChosenClassifier
    refused: str | None = None


def select_bundle(configured: Path, folder: Path, prove: Prove, trust: Trust) -> BundleInUse:
    """Select the installed bundle, else the configured one, else a good one; each is tested first.

    Args:
        configured: the file that trap.toml names.
        folder: holds installed and good bundles.
        prove: loads a bundle and runs its probes.
        trust: decides which bundles may be read.

    Raises:
        BundleError: the configured bundle is refused and there is no good one.
    """
    return _Selection(configured, folder, prove, trust).select()


class _Selection:
    def __init__(self, configured: Path, folder: Path, prove: Prove, trust: Trust) -> None:
        self._configured, self._prove, self._trust = configured, prove, trust
        self._installed, self._loads = InstalledBundle(folder, configured), Loads(folder)
        self._good, self._earlier = folder / LAST_GOOD, folder / EARLIER_GOOD

    def select(self) -> BundleInUse:
        if (path := self._installed.path) is not None:
            try:
                return self._new(path)
            except BundleError as error:
                self._installed.withdraw()
                _log.error("%s; the bundle that the base station installed is withdrawn", error)
                return replace(self._without_installed(), refused=f"bundle refused: {error}"[:200])
        return self._without_installed()

    def _without_installed(self) -> BundleInUse:
        try:
            return self._new(self._configured)
        except BundleError as error:
            return self._fall_back(error)

    def _new(self, path: Path) -> BundleInUse:
        in_use = self._proved(path, self._trust.vouch)
        self._trust.note(in_use.bundle)
        self._keep(path, in_use.bundle)
        return in_use

    def _fall_back(self, error: BundleError) -> BundleInUse:
        reasons = [str(error)]
        denied = [(self._configured, self._trust.vouch)] if isinstance(error, DeniedError) else []
        for path in filter(Path.exists, (self._good, self._earlier)):
            try:
                in_use = self._proved(path, self._trust.vouch_again)
            except BundleError as second:
                if str(second) not in reasons[0]:  # the good one may be the configured one's copy
                    reasons.append(f"the last good bundle: {second}")
                if isinstance(second, DeniedError):
                    denied.append((path, self._trust.vouch_again))
                continue
            manifest = in_use.bundle.manifest
            _log.error("%s; the last good bundle, %s version %d, is used", error, manifest.name, manifest.version)
            return replace(in_use, refused=f"bundle refused: {error}"[:200])
        told = "; and ".join(reasons)
        if not denied:
            raise BundleError(told) from error
        path, vouch = denied[0]  # better than no bundle at all
        _log.error("%s; %s is still used, because there is no other bundle", told, path)
        bundle = read_bundle(path, vouch)
        return BundleInUse(bundle, self._prove(path, bundle), f"bundle denied: {told}"[:200])

    def _proved(self, path: Path, vouch: Vouch) -> BundleInUse:
        bundle = read_bundle(path, vouch)
        self._loads.begin(bundle.sha256)
        try:
            chosen = self._prove(path, bundle)
        except BundleError as error:
            self._loads.refuse(bundle.sha256)
            raise BundleError(f"{path}: {error}") from error
        self._loads.prove(bundle.sha256)
        return BundleInUse(bundle, chosen)

    def _keep(self, path: Path, bundle: Bundle) -> None:
        try:
            if self._good.exists():
                if sha256_of_file(self._good) == bundle.sha256:
                    return
                write_durable(self._earlier, self._good.read_bytes())
            make_folder(self._good.parent)
            write_durable(self._good, path.read_bytes())
        except OSError as error:
            _log.warning("%s: the last good bundle could not be stored (%s)", self._good, error)
