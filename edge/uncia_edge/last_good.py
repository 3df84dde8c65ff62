"""The last good bundle: kept in the state folder, used when the configured one is refused.

Decides which bundle runs. A bundle is good once this machine has reproduced its probes; a refused one never stops a
trap that has worked before.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.bundle import Bundle, read_bundle
from uncia_contract.errors import BundleError
from uncia_edge.delegate import Chosen
from uncia_edge.durable import make_folder, write_bytes

_log = logging.getLogger(__name__)

FOLDER, NAME = "bundle", "last-good.uncia"


@dataclass(frozen=True)
class InUse:
    """The bundle that decides, its classifier, and why the configured one does not (None where it does)."""

    bundle: Bundle
    chosen: Chosen
    refused: str | None = None


def bundle_in_use(configured: Path, state: Path, prove: Callable[[Path, Bundle], Chosen]) -> InUse:
    """The configured bundle when it proves itself, else the last good one, loudly.

    Raises:
        BundleError: the configured bundle is refused and there is no last good one.
    """
    kept = state / FOLDER / NAME
    try:
        bundle = read_bundle(configured)
        chosen = prove(configured, bundle)
    except BundleError as error:
        return _fall_back(kept, error, prove)
    _keep(configured, bundle, kept)
    return InUse(bundle, chosen)


def _fall_back(kept: Path, error: BundleError, prove: Callable[[Path, Bundle], Chosen]) -> InUse:
    if not kept.exists():
        raise error
    try:
        bundle = read_bundle(kept)
        chosen = prove(kept, bundle)
    except BundleError as second:
        raise BundleError(f"{error}; and the last good bundle: {second}") from error
    _log.error(
        "%s; %s version %d, the last good bundle, stays in use", error, bundle.manifest.name, bundle.manifest.version
    )
    return InUse(bundle, chosen, f"bundle refused: {error}"[:200])


def _keep(configured: Path, bundle: Bundle, kept: Path) -> None:
    try:
        if not kept.exists() or read_bundle(kept).sha256 != bundle.sha256:
            make_folder(kept.parent)
            write_bytes(kept, configured.read_bytes())
    except (OSError, BundleError) as error:
        _log.warning("%s: the last good bundle could not be kept (%s)", kept, error)
