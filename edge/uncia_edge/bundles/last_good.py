"""Which bundle runs: the one from afar, else the configured one, else one that has worked before.

Decides that a refused or denied bundle never stops a trap that has worked. A bundle is good once this machine has
reproduced its probes. The good one and the one that it replaced are kept in the state folder.
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

# Returns the classifier of a bundle that reproduced its probes here; raises BundleError else.
Prove = Callable[[Path, Bundle], ChosenClassifier]


@dataclass(frozen=True)
class BundleInUse:
    """The bundle that decides, its classifier, and why the configured one does not (None where it does)."""

    bundle: Bundle
    chosen: ChosenClassifier
    refused: str | None = None


def select_bundle(configured: Path, folder: Path, prove: Prove, trust: Trust) -> BundleInUse:
    """The bundle that was installed from afar, else the configured one, else a good one; each proves itself.

    Args:
        configured: the file that trap.toml names.
        folder: of installed and good bundles.
        prove: loads a bundle here.
        trust: which bundles may be read.

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
                _log.error("%s; the bundle that was installed from afar is withdrawn", error)
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
                reasons.append(f"the last good bundle: {second}")
                if isinstance(second, DeniedError):
                    denied.append((path, self._trust.vouch_again))
                continue
            manifest = in_use.bundle.manifest
            _log.error("%s; %s version %d, the last good bundle, stays in use", error, manifest.name, manifest.version)
            return replace(in_use, refused=f"bundle refused: {error}"[:200])
        told = "; and ".join(reasons)
        for path, vouch in denied[:1]:  # a trap without another bundle goes on trying
            _log.error("%s; %s is used all the same, because there is no other", told, path)
            bundle = read_bundle(path, vouch)
            return BundleInUse(bundle, self._prove(path, bundle), f"bundle denied: {told}"[:200])
        raise BundleError(told) from error

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
            _log.warning("%s: the last good bundle could not be kept (%s)", self._good, error)
