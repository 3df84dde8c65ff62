"""The integer and the float model run on the same picture.

Decides what of both is compared: for one head, its probability on the float model's features, on the integer model's
features in float32 (what the trap computes), and the one that the integer graph gives when the head is inside it (its
second output, for other TFLite tools).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError
from uncia_contract.model.classifier import NotedScore
from uncia_contract.model.heads import LogisticHead, positive_probability
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import Manifest
from uncia_contract.model.stderr_filter import without_info_lines
from uncia_converter.graph import attach_head

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class ModelPair:
    """A backbone in integers and in float, both with `features` as their only output, and the range that the graph's
    logits must cover."""

    int8: bytes
    float32: bytes
    logit_range: tuple[float, float]


@dataclass(frozen=True)
class HeadProbabilities:
    """One picture's probability of the positive labels by one head."""

    in_float: float
    in_int8: float
    in_graph: float


class ParityScorer:
    """Scores with the integer model and notes what both models give; `fold` chooses the held-out head."""

    def __init__(
        self, manifest: Manifest, own: LogisticHead, held_out: Sequence[LogisticHead], models: ModelPair
    ) -> None:
        """Loads the float model once and the integer one for each head.

        Raises:
            BundleError: a model is none, or does not fit the heads.
        """
        self.manifest, self.fold = manifest, 0
        self._float32 = float_features(models.float32)
        self._own, *self._held_out = (_HeadReader(head, models, manifest.positive_columns) for head in (own, *held_out))

    def score(self, image: Image8) -> NotedScore:
        """The trap's score of one model input with the bundle's head.

        Its note holds the `HeadProbabilities` by the held-out head, and by the bundle's.
        """
        features = self._float32(image)
        unseen, own = (reader.answers(image, features) for reader in (self._held_out[self.fold], self._own))
        return NotedScore(own.in_int8, (unseen, own))


class _HeadReader:
    """A head, and the integer model with that head in its graph."""

    def __init__(self, head: LogisticHead, models: ModelPair, positive: list[int]) -> None:
        self._head, self._positive = head, positive
        model = attach_head(models.int8, *head.folded(), models.logit_range)
        self._whole = Interpreter(model, threads=os.cpu_count() or 1)

    def answers(self, image: Image8, float_features: Features) -> HeadProbabilities:
        int8_features, in_graph = self._whole.run(image, self._whole.outputs)
        by_graph = positive_probability(in_graph, self._positive)
        return HeadProbabilities(self._read(float_features), self._read(int8_features), by_graph)

    def _read(self, features: Features) -> float:
        return positive_probability(self._head.probabilities(features.reshape(1, -1))[0], self._positive)


def float_features(model: bytes) -> Callable[[Image8], Features]:
    """What the float model gives for a picture.

    Raises:
        BundleError: it is none.
    """
    from ai_edge_litert.interpreter import Interpreter as AnyInterpreter

    try:
        with without_info_lines():
            interpreter: Any = AnyInterpreter(model_content=model, num_threads=os.cpu_count() or 1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"float.tflite: cannot be loaded ({error})") from error
    [pixels], [features] = interpreter.get_input_details(), interpreter.get_output_details()
    if pixels["dtype"] != np.float32:
        raise BundleError(f"float.tflite: input {np.dtype(pixels['dtype'])}, expected float32")

    def run(image: Image8) -> Features:
        interpreter.set_tensor(pixels["index"], image[np.newaxis].astype(np.float32))
        interpreter.invoke()
        result: Features = interpreter.get_tensor(features["index"])[0]
        return result

    return run
