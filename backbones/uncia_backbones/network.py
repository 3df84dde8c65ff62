"""`Network`: a pretrained network that gives features."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import DataError

LAYERS = ("pooled", "map")


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model with the outputs `map` and `pooled`, and the sha256 of its weights.

    `model` maps float32 pixels (n, height, width, 3), RGB, 0 to 255, to float32 {"map": (n, rows, columns, channels),
    "pooled": (n, channels)}. `weights_sha256` is the sha256 of the weights' file, or `random:SEED`.
    """

    model: Any
    weights_sha256: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the input in pixels."""
        _, height, width, _ = self.model.input_shape
        return int(width), int(height)

    def count(self, layer: str) -> int:
        """The number of features of a layer for one picture."""
        return int(np.prod(self.model.output[layer].shape[1:]))

    def features(self, pixels: NDArray[np.uint8], layer: str = "pooled") -> NDArray[np.float32]:
        """The features of uint8 (n, height, width, 3) pictures, computed in float: float32 (n, ...)."""
        outputs = self.model.predict_on_batch(pixels.astype(np.float32))
        return np.asarray(outputs[layer], np.float32)


def file_sha256(path: Path) -> str:
    """The sha256 of a file of weights, in hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a file of weights") from error
