"""The last good bundle: kept in the state folder, used when the configured one is refused.

Decides which bundle runs. A bundle is good once this machine has reproduced its probes; a refused one never stops a
trap that has worked before.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from uncia_contract.errors import BundleError
from uncia_contract.files import make_folder, write_durable
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.scoring.delegate import ChosenClassifier

_log = logging.getLogger(__name__)

# Returns the classifier of a bundle that reproduced its probes here; raises BundleError else.
Prove = Callable[[Path, Bundle], ChosenClassifier]
FOLDER, LAST_GOOD = "bundle", "last-good.uncia"


@dataclass(frozen=True)
class BundleInUse:
    """The bundle that decides, its classifier, and why the configured one does not (None where it does)."""

    bundle: Bundle
    chosen: ChosenClassifier
    refused: str | None = None


def select_bundle(configured: Path, state: Path, prove: Prove) -> BundleInUse:
    """The bundle that was installed from afar, else the configured one, else the last good one; each proves itself.

    Raises:
        BundleError: the configured bundle is refused and there is no last good one.
    """
    kept = state / FOLDER / LAST_GOOD
    installed = InstalledBundle(state / FOLDER, configured)
    if (path := installed.path) is not None:
        try:
            return _tried(installed, path, kept, prove)
        except BundleError as error:
            installed.withdraw()
            _log.error("%s; the bundle that was installed from afar is withdrawn", error)
            return replace(_configured(configured, kept, prove), refused=f"bundle refused: {error}"[:200])
    return _configured(configured, kept, prove)


def _tried(installed: InstalledBundle, path: Path, kept: Path, prove: Prove) -> BundleInUse:
    installed.begin_trial()
    bundle, chosen = _proved(path, prove)
    installed.prove()
    _keep(path, bundle, kept)
    return BundleInUse(bundle, chosen)


def _configured(configured: Path, kept: Path, prove: Prove) -> BundleInUse:
    try:
        bundle, chosen = _proved(configured, prove)
    except BundleError as error:
        return _fall_back(kept, error, prove)
    _keep(configured, bundle, kept)
    return BundleInUse(bundle, chosen)


def _proved(path: Path, prove: Prove) -> tuple[Bundle, ChosenClassifier]:
    bundle = read_bundle(path)
    try:
        return bundle, prove(path, bundle)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def _fall_back(kept: Path, error: BundleError, prove: Prove) -> BundleInUse:
    if not kept.exists():
        raise error
    try:
        bundle, chosen = _proved(kept, prove)
    except BundleError as second:
        raise BundleError(f"{error}; and the last good bundle: {second}") from error
    _log.error(
        "%s; %s version %d, the last good bundle, stays in use", error, bundle.manifest.name, bundle.manifest.version
    )
    return BundleInUse(bundle, chosen, f"bundle refused: {error}"[:200])


def _keep(configured: Path, bundle: Bundle, kept: Path) -> None:
    try:
        if not kept.exists() or read_bundle(kept).sha256 != bundle.sha256:
            make_folder(kept.parent)
            write_durable(kept, configured.read_bytes())
    except (OSError, BundleError) as error:
        _log.warning("%s: the last good bundle could not be kept (%s)", kept, error)
