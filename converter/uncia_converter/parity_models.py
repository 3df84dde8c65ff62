"""Runs the integer model and the float model on the same pictures.

For each head, three probabilities are compared: the head on the float model's features, the head in float32 on the
integer model's features (as the trap computes it), and the output `probabilities` of the integer graph with the head in
it (for other TFLite tools). If the bundle has a second look, the integer model with the bundle's head chooses the parts
of the picture, as on the trap, and the float model gets the same parts. So only the arithmetic differs.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.frame_scores import NotedScore, lowered
from uncia_contract.errors import BundleError
from uncia_contract.model.activation import activation_map, highest_place
from uncia_contract.model.heads import LogisticHead, positive_probability
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import Manifest
from uncia_contract.model.stderr_filter import without_info_lines
from uncia_converter.graph import attach_head

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]
Peak = tuple[float, float]


@dataclass(frozen=True)
class ModelPair:
    """A backbone in integers and in float, each with `features` as the only output, and the range of the logits."""

    int8: bytes
    float32: bytes
    logit_range: tuple[float, float]


@dataclass(frozen=True)
class HeadProbabilities:
    """A picture's probability of the positive labels by one head, computed in three ways (see the module)."""

    in_float: float
    in_int8: float
    in_graph: float

    def lowered(self, logits: float) -> "HeadProbabilities":
        """The probabilities minus so many logits each, as for a window of a second look."""
        return HeadProbabilities(*(lowered(one, logits) for one in (self.in_float, self.in_int8, self.in_graph)))


class ParityScore(NotedScore):
    """The trap's score; its note holds the `HeadProbabilities` by the held-out head and by the bundle's head."""

    note: tuple[HeadProbabilities, HeadProbabilities]

    def lowered(self, logits: float) -> "ParityScore":
        """The score and the probabilities in its note, minus so many logits."""
        unseen, own = self.note
        noted = unseen.lowered(logits), own.lowered(logits)
        return ParityScore(noted[1].in_int8, noted).at(self.peak)


class ParityScorer:
    """Scores as the trap does, with both models' probabilities as a note; `fold` chooses the held-out head."""

    def __init__(
        self, manifest: Manifest, own: LogisticHead, held_out: Sequence[LogisticHead], models: ModelPair
    ) -> None:
        """Load the float model once, and the integer model once for each head.

        Raises:
            BundleError: a model cannot be loaded, or does not fit the heads.
        """
        self.manifest, self.fold = manifest, 0
        self._float32 = float_features(models.float32)
        self._own, *self._held_out = (_HeadReader(head, models, manifest) for head in (own, *held_out))

    def score(self, image: Image8) -> ParityScore:
        """The trap's score of a model input with the bundle's head, and a peak if the bundle has a second look."""
        features = self._float32(image)
        unseen, _ = self._held_out[self.fold].answers(image, features)
        own, peak = self._own.answers(image, features)
        return ParityScore(own.in_int8, (unseen, own)).at(peak)


class _HeadReader:
    """A head, and the integer model with that head in its graph."""

    def __init__(self, head: LogisticHead, models: ModelPair, manifest: Manifest) -> None:
        self._head, self._positive = head, manifest.positive_columns
        model = attach_head(models.int8, *head.folded(), models.logit_range, manifest.second_look is not None)
        self._whole = Interpreter(model, threads=os.cpu_count() or 1)

    def answers(self, image: Image8, float_features: Features) -> tuple[HeadProbabilities, Peak | None]:
        """The probabilities by this head, and the peak of its activation map (None without a map)."""
        int8_features, *maps, in_graph = self._whole.run(image, self._whole.outputs)
        by_graph = positive_probability(in_graph, self._positive)
        found = HeadProbabilities(self._read(float_features), self._read(int8_features), by_graph)
        peaks = [highest_place(activation_map(places, self._head, self._positive)) for places in maps]
        return found, peaks[0] if peaks else None

    def _read(self, features: Features) -> float:
        return positive_probability(self._head.probabilities(features.reshape(1, -1))[0], self._positive)


def float_features(model: bytes) -> Callable[[Image8], Features]:
    """A function that runs the float model: from uint8 (height, width, 3) to its features, float32.

    Raises:
        BundleError: the bytes are not a float model.
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
