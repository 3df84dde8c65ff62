"""Makes the probes of a bundle: images with the answers of the integer model and the head.

Decides how closely two kinds of kernels must agree on an image: within two thirds of a trap's tolerance, so that
another correct runtime is still within the tolerance. (With one half, the search for the starter bundle reached only a
score of 0.66 instead of 0.92.)
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
# EfficientNet-Lite0 has 4 MB and needs 7 ms for a drawing; ResNet-50 has 25 MB and needs ten times as long.
SMALL_BYTES, FEWEST_TRIES = 5_000_000, 600

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]


class TwoKernelModel:
    """A model with its head, loaded with XNNPACK's kernels for the answers and with plain kernels to compare."""

    def __init__(self, model: bytes, head: LogisticHead) -> None:
        """Load the model twice; its first output must be the features."""
        self._head = head
        self._fast = Interpreter(model, threads=os.cpu_count() or 1)
        self._plain = Interpreter(model, keep_all=True)
        self.size = self._fast.size
        self._spread = feature_spread(np.stack([self.features(image) for image in colour_fields(self.size)]))

    def features(self, image: Image8) -> Features:
        """float32 (features,) of one input."""
        return _features(self._fast, image)

    def logits(self, image: Image8) -> NDArray[np.float64]:
        """The calibrated logits of one input, float64 (labels,)."""
        weights, bias = self._head.folded()
        logits: NDArray[np.float64] = (self.features(image) @ weights.T + bias).astype(np.float64)
        return logits

    def kernels_agree(self, image: Image8) -> bool:
        """Whether the answers of both kernels differ by at most two thirds of the smallest tolerance."""
        one, other = self.features(image)[np.newaxis], _features(self._plain, image)[np.newaxis]
        apart = np.abs(self._head.probabilities(one) - self._head.probabilities(other)).max()
        return bool(
            apart <= SHARE_OF_TOLERANCE * min(TOLERANCE.values())
            and feature_difference(other, one, self._spread) <= SHARE_OF_TOLERANCE * min(FEATURE_TOLERANCE.values())
        )


def make_probes(
    model: bytes, head: LogisticHead, progress: Callable[[int, int], None] = lambda done, most: None
) -> Probes:
    """Make the probes of a model and head; they are reproducible on one machine with the same versions.

    Args:
        model: an int8 model whose first output is the features.
        head: the head for these features.
        progress: called with the number of drawings tried, and the most that will be tried.
    """
    both = TwoKernelModel(model, head)
    inputs = search_probe_images(both.size, both, head.classes, progress, most_tries(model))
    features = np.stack([both.features(image) for image in inputs])
    return Probes(inputs, features, head.probabilities(features))


def most_tries(model: bytes) -> int:
    """The most drawings to try for each label; fewer for a large model, which needs longer for each."""
    return max(FEWEST_TRIES, min(MOST_TRIES, MOST_TRIES * SMALL_BYTES // len(model)))


def _features(interpreter: Interpreter, image: Image8) -> Features:
    flat: Features = interpreter.run(image, interpreter.outputs[:1])[0].reshape(-1)
    return flat
