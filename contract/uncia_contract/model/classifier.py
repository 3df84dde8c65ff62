"""The classifier: a bundle's model in an interpreter, from a model input to calibrated probabilities.

Decides which outputs of the model are used, and applies the float32 head to the features. A bundle whose probes this
runtime does not reproduce is refused before it is used.
"""

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.frame_scores import FrameScore, LabelledScore
from uncia_contract.errors import BundleError
from uncia_contract.model.activation import activation_map, highest_place, map_output
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.heads import positive_probability
from uncia_contract.model.interpreter import Interpreter, RuntimeInfo, Tensor
from uncia_contract.model.manifest import MODEL, PROBES, Manifest
from uncia_contract.model.probes import ProbeDifference, difference, probes_from_bytes

# Larger models gain little from a second copy, and it takes twice the model's size: with EfficientNet-Lite2 (5.6 MB)
# the trap would need more than 100 MB.
_LIGHT_MODEL_BYTES = 5_000_000


class FrameScorer(Protocol):
    """The part of a classifier that scoring uses; tests can implement it without a bundle.

    Frames are scored from the middle of a burst outwards, so further results of a frame must be attached to its score
    (`NotedScore`).
    """

    @property
    def manifest(self) -> Manifest:
        """The manifest, with the rules and the positive labels."""

    def score(self, image: NDArray[np.uint8]) -> float:
        """The probability in [0, 1] of all positive labels together, for one uint8 (height, width, 3) model input.

        It may be a `LabelledScore` with the probability of each label. It must be a `FrameScore` with a peak if the
        manifest has a second look.
        """


class Classifier:
    """Scores model inputs: int8 features by the interpreter, then the float32 head."""

    def __init__(self, bundle: Bundle, threads: int = 1, delegate: Any = None, model: str = MODEL) -> None:
        """Load the bundle's model.

        Args:
            bundle: gives the model and the head.
            threads: threads of the CPU kernels; 0 for as many as are useful with this runtime on this machine.
            delegate: a loaded delegate to use instead of the CPU kernels.
            model: the member to run (`model.tflite` or `model_edgetpu.tflite`).

        Raises:
            BundleError: the model cannot be loaded here, or does not fit manifest and head.
            RuntimeMissingError: no TFLite runtime is installed.
        """
        self.manifest = bundle.manifest
        self._head = bundle.head
        self._packed_probes = bundle.members[PROBES]  # a megabyte or more when read
        self._positive = bundle.manifest.positive_columns
        self._labels = {label: bundle.manifest.labels.index(label) for label in bundle.manifest.positive_labels}
        self._interpreter = Interpreter(bundle.members[model], threads, delegate)
        self._features = _features_output(self._interpreter.outputs, self._head.features)
        self._map = map_output(self._interpreter.outputs, self._head.features)
        if self.manifest.second_look and self._map is None:
            raise BundleError(
                f"{model}: gives no feature map, which a second look needs; expected it as an output "
                "(make the bundle with uncia-convert bundle)"
            )
        if self._interpreter.size != self.manifest.input_size:
            raise BundleError(
                f"{model}: input of {self._interpreter.size} (width, height), "
                f"its manifest says {self.manifest.input_size}"
            )
        _check_probe_inputs(probes_from_bytes(self._packed_probes, self.manifest).inputs, self._interpreter.size)

    @property
    def info(self) -> RuntimeInfo:
        """The runtime and delegate that run the model."""
        return self._interpreter.info

    def outputs(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The model's outputs for one uint8 (height, width, 3) model input.

        The features, float32 (features,), then the feature map, float32 (rows, columns, features), if it has one.
        """
        features, *rest = self._interpreter.run(image, [self._features, *([self._map] if self._map else [])])
        return [features.reshape(-1), *rest]

    def features(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The features, float32 (features,), of one uint8 (height, width, 3) model input."""
        return self.outputs(image)[0]

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 (classes,), of one uint8 (height, width, 3) model input, by label."""
        return self._read(self.features(image))

    def score(self, image: NDArray[np.uint8]) -> FrameScore:
        """The probability in [0, 1] of all positive labels together, for one uint8 (height, width, 3) model input.

        It has a peak if the model gives a map. It is a `LabelledScore` if the bundle has several positive labels.
        """
        features, *maps = self.outputs(image)
        row = self._read(features)
        score = FrameScore(positive_probability(row, self._positive))
        if len(self._labels) > 1:
            score = LabelledScore(score, {label: float(row[column]) for label, column in self._labels.items()})
        peaks = [highest_place(activation_map(places, self._head, self._positive)) for places in maps]
        return score.at(peaks[0] if peaks else None)

    def probe_difference(self) -> ProbeDifference:
        """The difference between this runtime's answers to the probes and the expected answers."""
        probes = probes_from_bytes(self._packed_probes, self.manifest)
        if self.manifest.graph_head:
            probes = replace(probes, probabilities=self._head.probabilities(probes.features))
        answers = [self.outputs(image) for image in probes.inputs]
        features = np.stack([answer[0] for answer in answers])
        means = np.stack([answer[-1].reshape(-1, self._head.features).mean(axis=0) for answer in answers])
        return difference(probes, features, self._head.probabilities(features), means)

    def _read(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._head.probabilities(features[np.newaxis])[0]
        return row

    def check_probes(self) -> ProbeDifference:
        """Return the probes' difference if it is within the bundle's tolerance for this runtime.

        Raises:
            BundleError: the difference is larger; this runtime or accelerator must not be used with the bundle.
        """
        found = self.probe_difference()
        probability, features = self.manifest.tolerated(self.info.name)
        if not found.within(probability, features):
            raise BundleError(
                f"{self.manifest.name} {self.manifest.version}: its probes differ by {found} on {self.info.name} "
                f"{self.info.version} ({self.info.delegate}), expected at most {probability} (features {features}); "
                "not used"
            )
        return found


def load_single_thread_classifier(bundle: Bundle, classifier: Classifier) -> Classifier | None:
    """A second classifier with one thread, to be used while other threads decode; None where it would not be faster.

    The threads of an invocation wait for each other at each operation, so beside decoding threads several are slower
    than one. The copy needs memory for the weights again (7 MB with EfficientNet-Lite0). It is not faster where the
    classifier has one thread anyway, or with large models.
    """
    light = len(bundle.members[MODEL]) <= _LIGHT_MODEL_BYTES
    return Classifier(bundle) if light and classifier.info.threads > 1 else None


def _features_output(outputs: tuple[Tensor, ...], width: int) -> Tensor:
    """The output named `features`, else the first one, because converters may rename tensors. Its width is checked."""
    named = [tensor for tensor in outputs if tensor.name.startswith("features")]
    tensor = (named or list(outputs))[0]
    found = int(np.prod(tensor.shape[1:]))
    if found != width:
        raise BundleError(f"model.tflite: gives {found} features, its head expects {width}")
    return tensor


def _check_probe_inputs(inputs: NDArray[np.uint8], size: tuple[int, int]) -> None:
    expected = (size[1], size[0], 3)
    if inputs.shape[1:] != expected or inputs.dtype != np.uint8:
        raise BundleError(f"{PROBES}: inputs {inputs.dtype} {inputs.shape[1:]}, expected uint8 {expected}")
