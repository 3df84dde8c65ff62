"""Bundles that are valid files but cannot be run, for tests that only handle files."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from support.fixed_scores import make_manifest
from uncia_contract.model.bundle import write_bundle
from uncia_contract.model.manifest import HEAD, MODEL, PROBES
from uncia_contract.npz import write_arrays
from uncia_edge.bundles.installed import LAST_GOOD
from uncia_edge.bundles.last_good import BundleInUse, Prove, select_bundle
from uncia_edge.bundles.releases import RELEASES, Releases
from uncia_edge.bundles.trust import Trust


def bundle_bytes(version: int, model: bytes = b"model " * 500, head: float = 0.0, name: str = "told") -> bytes:
    """A bundle of that version, about 3 kB of model and less of the rest."""
    manifest = msgspec.structs.replace(make_manifest(), version=version, name=name)
    weights = np.full((2, 2), head, np.float32)
    arrays: dict[str, NDArray[Any]] = {
        "weights": weights, "bias": np.zeros(2), "slope": np.ones(()), "offset": np.zeros(2),
    }  # fmt: skip
    return write_bundle(manifest, {MODEL: model, HEAD: write_arrays(arrays), PROBES: b"probes"})


def select(configured: Path, state: Path, prove: Prove) -> BundleInUse:
    """The bundle that a trap without keys selects, with its state in that folder."""
    folder = state / "bundle"
    return select_bundle(configured, folder, prove, Trust(None, Releases(folder / RELEASES, folder / LAST_GOOD)))
