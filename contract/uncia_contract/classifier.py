"""A bundle and an interpreter: from a picture to calibrated probabilities.

Decides how a bundle's model is run: which outputs, the float32 head on the features, and that a bundle whose probes
this runtime does not reproduce is refused before it decides anything.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.arrays import read_arrays
from uncia_contract.bundle import Bundle
from uncia_contract.errors import BundleError
from uncia_contract.interpreter import Interpreter, RuntimeInfo, Tensor
from uncia_contract.manifest import MODEL, PROBES, Manifest


class Scores(Protocol):
    """What scoring needs of a classifier; a test may stand in with less than a bundle."""

    manifest: Manifest

    def score(self, image: NDArray[np.uint8]) -> float:
        """Probability of the positive labels together for one uint8 (height, width, 3) model input."""


class Classifier:
    """Scores model inputs as the trap does: int8 features, float32 head."""

    def __init__(
        self, bundle: Bundle, threads: int = 1, delegate: Any = None, model: str = MODEL, only: str | None = None
    ) -> None:
        """Loads the bundle's model.

        Args:
            bundle: whose model and head are used.
            threads: of the CPU kernels.
            delegate: a loaded delegate in place of the CPU kernels.
            model: which member to run (`model.tflite` or `model_edgetpu.tflite`).
            only: name of the one runtime to use, None for the first that is there.

        Raises:
            BundleError: the model cannot be loaded here, or does not fit manifest and head.
            RuntimeMissingError: no TFLite runtime is installed.
        """
        self.manifest = bundle.manifest
        self._head = bundle.head
        self._probes = bundle.members[PROBES]
        self._positive = bundle.manifest.positive_columns
        self._interpreter = Interpreter(bundle.members[model], threads, delegate, only)
        self._features = _output(self._interpreter.outputs, self._head.features, "features")
        if self._interpreter.size != self.manifest.input_size:
            raise BundleError(
                f"{model}: input of {self._interpreter.size} (width, height), "
                f"its manifest says {self.manifest.input_size}"
            )

    @property
    def info(self) -> RuntimeInfo:
        """Which runtime and delegate run the model."""
        return self._interpreter.info

    def features(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (features,) of one uint8 (height, width, 3) model input."""
        features: NDArray[np.float32] = self._interpreter.run(image, [self._features])[0].reshape(-1)
        return features

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated float32 (classes,) of one uint8 (height, width, 3) model input, in the order of the labels."""
        row: NDArray[np.float32] = self._head.probabilities(self.features(image)[np.newaxis])[0]
        return row

    def score(self, image: NDArray[np.uint8]) -> float:
        """Probability in [0, 1] of the positive labels together, for one uint8 (height, width, 3) model input."""
        return float(min(1.0, self.probabilities(image)[self._positive].sum(dtype=np.float64)))

    def probe_error(self) -> float:
        """The largest difference between a probe's stated probabilities and those that this runtime gives."""
        probes = read_arrays(self._probes, PROBES, ("inputs", "probabilities"))
        given = np.stack([self.probabilities(image) for image in probes["inputs"]])
        if given.shape != probes["probabilities"].shape:
            raise BundleError(f"{PROBES}: {probes['probabilities'].shape} probabilities, the model gives {given.shape}")
        return float(np.abs(given - probes["probabilities"]).max())

    def check_probes(self) -> float:
        """The probes' largest error, when it is within the bundle's tolerance for this runtime.

        Raises:
            BundleError: this runtime or accelerator does not reproduce the probes.
        """
        error = self.probe_error()
        tolerance = self.manifest.tolerance.get(self.info.name, min(self.manifest.tolerance.values(), default=0.01))
        if not error <= tolerance:  # NaN is refused as well
            raise BundleError(
                f"{self.manifest.name} {self.manifest.version}: its probes differ by {error:.4f} on {self.info.name} "
                f"{self.info.version} ({self.info.delegate}), expected at most {tolerance}; not used"
            )
        return error


def _output(outputs: tuple[Tensor, ...], width: int, name: str) -> Tensor:
    """The output called `features`; converters rename tensors, so its place (first) and width count as well."""
    named = [tensor for tensor in outputs if tensor.name.startswith(name)]
    tensor = (named or list(outputs))[0]
    found = int(np.prod(tensor.shape[1:]))
    if found != width:
        raise BundleError(f"model.tflite: gives {found} features, its head expects {width}")
    return tensor
