"""Probes: inputs that a bundle carries, with the features and probabilities they must give (DESIGN 4).

Decides how far a runtime is from reproducing them. Which inputs they are is the converter's to choose.

1. The difference of probabilities is the largest over probes and labels.
2. The difference of features is the mean one over a probe's features, in the probe where it is largest, as a share of
   what tells the probes apart (the mean distance of their features from those features' mean): 0 is the same answer
   and 1 is as good as none. A model that gives every input one answer is 1 or more, whatever its head makes of it.
3. Where the model gives the map whose mean the features are, the map's mean is measured as the features are, and the
   larger difference counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError
from uncia_contract.model.manifest import PROBES, Manifest
from uncia_contract.npz import MAX_ARRAY_BYTES, read_arrays, write_arrays

_MOST_FIELDS, _MOST_A_LABEL = 16, 8  # the converter makes a few fields, and for each label as many as it has targets


@dataclass(frozen=True, eq=False)
class Probes:
    """uint8 (probes, height, width, 3) inputs, float32 (probes, features) and (probes, labels) answers."""

    inputs: NDArray[np.uint8]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class ProbeDifference:
    """How far a runtime's answers are from the stated ones (#1, #2)."""

    probability: float
    features: float

    def within(self, probability: float, features: float) -> bool:
        """Whether both are at most that; NaN is not."""
        return self.probability <= probability and self.features <= features

    def __str__(self) -> str:
        return f"{self.probability:.4f} (features {self.features:.3f})"


def probes_to_bytes(probes: Probes) -> bytes:
    """The probes as `probes.npz`; equal probes give equal bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "inputs": probes.inputs, "features": probes.features, "probabilities": probes.probabilities,
    }  # fmt: skip
    return write_arrays(arrays, compress=True)


def probes_from_bytes(data: bytes, manifest: Manifest | None = None) -> Probes:
    """The probes in a `probes.npz`.

    Where `manifest` is given, no more memory is taken than the probes of a bundle with so many labels need.

    Raises:
        BundleError: not such a file, no probe in it, or its parts do not fit together.
    """
    limit = MAX_ARRAY_BYTES if manifest is None else _most_bytes(manifest)
    arrays = read_arrays(data, PROBES, ("inputs", "features", "probabilities"), limit)
    probes = Probes(**arrays)
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1 or 0 in counts or (probes.inputs.ndim, probes.features.ndim) != (4, 2):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise BundleError(f"{PROBES}: {shapes}; expected one row a probe in each, and one probe at least")
    return probes


def _most_bytes(manifest: Manifest) -> int:
    width, height = manifest.input_size
    answers = 8 * (manifest.backbone.features + len(manifest.labels))
    most = _MOST_FIELDS + _MOST_A_LABEL * len(manifest.labels)
    return min(MAX_ARRAY_BYTES, most * (width * height * 3 + answers) + 4096)


def difference(
    probes: Probes,
    features: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    map_means: NDArray[np.float32] | None = None,
) -> ProbeDifference:
    """Of these answers, in the probes' order, from the stated ones; `map_means` are features, too (#3).

    Raises:
        BundleError: there are other numbers of features or labels than stated.
    """
    for what, given, stated in (
        ("features", features, probes.features),
        ("probabilities", probabilities, probes.probabilities),
    ):
        if given.shape != stated.shape:
            raise BundleError(f"{PROBES}: {what} {stated.shape}, the model gives {given.shape}")
    spread = feature_spread(probes.features)
    given_features = [features] if map_means is None else [features, map_means]
    return ProbeDifference(
        float(np.abs(probabilities - probes.probabilities).max()),
        max(feature_difference(one, probes.features, spread) for one in given_features),
    )


def feature_spread(features: NDArray[np.float32]) -> float:
    """What tells pictures apart: the mean distance of features (pictures, features) from their mean."""
    return float(np.abs(features - features.mean(axis=0)).mean())


def feature_difference(given: NDArray[np.float32], stated: NDArray[np.float32], spread: float) -> float:
    """The largest mean difference in a row, in units of `spread` (#2)."""
    largest = float(np.abs(given - stated).mean(axis=1).max())
    return 0.0 if largest == 0 else largest / max(spread, float(np.finfo(np.float32).tiny))
