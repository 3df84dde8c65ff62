"""A bundle and an interpreter: from a picture to calibrated probabilities.

Decides how a bundle's model is run: which outputs, the float32 head on the features, and that a bundle whose probes
this runtime does not reproduce is refused before it decides anything.
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

# Measured with ResNet-50 to its third stage (9 MB): bursts as fast without a second copy, which takes 18 MB.
_LIGHT_MODEL_BYTES = 6 * 1024 * 1024


class FrameScorer(Protocol):
    """What scoring needs of a classifier; a test may stand in with less than a bundle.

    A burst's frames come from its middle outwards: what belongs to one frame is attached to its score (`NotedScore`).
    """

    @property
    def manifest(self) -> Manifest:
        """The rules, and which labels are positive."""

    def score(self, image: NDArray[np.uint8]) -> float:
        """Probability of the positive labels together for one uint8 (height, width, 3) model input.

        A `LabelledScore` where it knows the probability of each of several; a `FrameScore` with its peak where the
        manifest has a second look.
        """


class Classifier:
    """Scores model inputs as the trap does: int8 features, float32 head."""

    def __init__(self, bundle: Bundle, threads: int = 1, delegate: Any = None, model: str = MODEL) -> None:
        """Loads the bundle's model.

        Args:
            bundle: whose model and head are used.
            threads: of the CPU kernels; 0 for as many as serve this runtime on this machine.
            delegate: a loaded delegate in place of the CPU kernels.
            model: which member to run (`model.tflite` or `model_edgetpu.tflite`).

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
        """Which runtime and delegate run the model."""
        return self._interpreter.info

    def outputs(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """What the model gives for one uint8 (height, width, 3) model input: its features, then its map if it has one.

        float32 (features,) and (rows, columns, features).
        """
        features, *rest = self._interpreter.run(image, [self._features, *([self._map] if self._map else [])])
        return [features.reshape(-1), *rest]

    def features(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (features,) of one uint8 (height, width, 3) model input."""
        return self.outputs(image)[0]

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated float32 (classes,) of one uint8 (height, width, 3) model input, in the order of the labels."""
        return self._read(self.features(image))

    def score(self, image: NDArray[np.uint8]) -> FrameScore:
        """Probability in [0, 1] of the positive labels together, for one uint8 (height, width, 3) model input.

        With its peak where the model gives a map; a `LabelledScore` where the bundle has several positive labels.
        """
        features, *maps = self.outputs(image)
        row = self._read(features)
        score = FrameScore(positive_probability(row, self._positive))
        if len(self._labels) > 1:
            score = LabelledScore(score, {label: float(row[column]) for label, column in self._labels.items()})
        peaks = [highest_place(activation_map(places, self._head, self._positive)) for places in maps]
        return score.at(peaks[0] if peaks else None)

    def probe_difference(self) -> ProbeDifference:
        """How far this runtime's answers to the probes are from the stated ones."""
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
        """The probes' difference, when it is within the bundle's tolerance for this runtime.

        Raises:
            BundleError: this runtime or accelerator does not reproduce the probes.
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
    """The bundle on one thread, for the time in which other threads decode; None where it would gain nothing.

    The threads of an invocation wait for the slowest of them at each operation: next to a decoder, several take longer
    than one. The copy costs the weights once more (7 MB with EfficientNet-Lite0). It gains nothing where the classifier
    has one thread anyway, nor with large models.
    """
    light = len(bundle.members[MODEL]) <= _LIGHT_MODEL_BYTES
    return Classifier(bundle) if light and classifier.info.threads > 1 else None


def _features_output(outputs: tuple[Tensor, ...], width: int) -> Tensor:
    """The output called `features`; converters rename tensors, so its place (first) and width count as well."""
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
