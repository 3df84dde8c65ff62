"""Probes: inputs in a bundle, with the features and probabilities that the model must give for them (DESIGN 4).

Decides how the difference between a runtime's answers and the expected ones is measured. The converter chooses the
inputs.

1. The difference of probabilities is the largest one over all probes and labels.
2. The difference of features is computed for each probe as the mean over its features; the largest counts. It is
   divided by the spread of the probes (the mean distance of their features from the mean of all probes). 0 means equal
   answers; 1 means that the answers say nothing about the input. A model that gives the same answer for every input has
   1 or more.
3. If the model also gives the map whose mean the features are, the map's mean is compared in the same way, and the
   larger difference counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError
from uncia_contract.model.manifest import PROBES, Manifest
from uncia_contract.npz import MAX_ARRAY_BYTES, read_arrays, write_arrays

_MOST_FIELDS, _MOST_A_LABEL = 16, 8  # more than the converter makes: uniform images, and images for each label


@dataclass(frozen=True, eq=False)
class Probes:
    """uint8 (probes, height, width, 3) inputs, float32 (probes, features) and (probes, labels) answers."""

    inputs: NDArray[np.uint8]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class ProbeDifference:
    """The difference between a runtime's answers and the expected ones (#1, #2)."""

    probability: float
    features: float

    def within(self, probability: float, features: float) -> bool:
        """Whether both differences are at most the given ones; False for NaN."""
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

    If `manifest` is given, it bounds the memory that is used.

    Raises:
        BundleError: not a `probes.npz`, no probe in it, or its arrays do not fit together.
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
    """The difference between a runtime's answers and the expected ones.

    Args:
        probes: the probes with the expected answers.
        features: the runtime's features, float32 (probes, features).
        probabilities: the runtime's probabilities, float32 (probes, labels).
        map_means: the mean of the runtime's feature maps, float32 (probes, features), compared like features (#3).

    Raises:
        BundleError: the number of features or labels differs.
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
    """The spread of features (pictures, features): the mean distance from the mean of all pictures."""
    return float(np.abs(features - features.mean(axis=0)).mean())


def feature_difference(given: NDArray[np.float32], stated: NDArray[np.float32], spread: float) -> float:
    """The largest mean difference in a row, in units of `spread` (#2)."""
    largest = float(np.abs(given - stated).mean(axis=1).max())
    return 0.0 if largest == 0 else largest / max(spread, float(np.finfo(np.float32).tiny))
