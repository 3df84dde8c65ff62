"""The probes of a bundle: images with the answers that the integer model and the head give them.

Decides how closely other kernels must agree on an image: two thirds of what a trap tolerates, so that a correct runtime
of another kind has room. (With half, the search in the starter ended at a score of 0.66 in place of 0.92.)
"""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import FEATURE_TOLERANCE, TOLERANCE
from uncia_contract.model.probes import Probes, feature_difference, feature_spread
from uncia_converter.probe_images import MOST_TRIES, colour_fields, search_probe_images

SHARE_OF_TOLERANCE = 2 / 3
# EfficientNet-Lite0 has 4 MB and takes 7 ms a drawing, ResNet-50 25 MB and ten times as long.
SMALL_BYTES, FEWEST_TRIES = 5_000_000, 600

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]


class TwoKernelModel:
    """A model and its head: XNNPACK's kernels answer, the plain ones confirm."""

    def __init__(self, model: bytes, head: LogisticHead) -> None:
        """Loads the model twice; its first output are the features."""
        self._head = head
        self._fast = Interpreter(model, threads=os.cpu_count() or 1)
        self._plain = Interpreter(model, keep_all=True)
        self.size = self._fast.size
        self._spread = feature_spread(np.stack([self.features(image) for image in colour_fields(self.size)]))

    def features(self, image: Image8) -> Features:
        """float32 (features,) of one input."""
        return _features(self._fast, image)

    def logits(self, image: Image8) -> NDArray[np.float64]:
        """Calibrated, float64 (labels,)."""
        weights, bias = self._head.folded()
        logits: NDArray[np.float64] = (self.features(image) @ weights.T + bias).astype(np.float64)
        return logits

    def kernels_agree(self, image: Image8) -> bool:
        """Whether both kernels agree to two thirds of the tightest tolerance."""
        one, other = self.features(image)[np.newaxis], _features(self._plain, image)[np.newaxis]
        apart = np.abs(self._head.probabilities(one) - self._head.probabilities(other)).max()
        return bool(
            apart <= SHARE_OF_TOLERANCE * min(TOLERANCE.values())
            and feature_difference(other, one, self._spread) <= SHARE_OF_TOLERANCE * min(FEATURE_TOLERANCE.values())
        )


def make_probes(
    model: bytes, head: LogisticHead, progress: Callable[[int, int], None] = lambda done, most: None
) -> Probes:
    """The same for the same model and head, on one machine and one set of versions.

    Args:
        model: int8, features first.
        head: reads them.
        progress: told how many of at most how many drawings are tried.
    """
    both = TwoKernelModel(model, head)
    inputs = search_probe_images(both.size, both, head.classes, progress, most_tries(model))
    features = np.stack([both.features(image) for image in inputs])
    return Probes(inputs, features, head.probabilities(features))


def most_tries(model: bytes) -> int:
    """How many drawings a label is worth: fewer of a large model, which takes longer for each."""
    return max(FEWEST_TRIES, min(MOST_TRIES, MOST_TRIES * SMALL_BYTES // len(model)))


def _features(interpreter: Interpreter, image: Image8) -> Features:
    flat: Features = interpreter.run(image, interpreter.outputs[:1])[0].reshape(-1)
    return flat
