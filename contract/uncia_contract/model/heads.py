"""The logistic head: from a backbone's features to calibrated probabilities, in float32 (DESIGN 4).

Decides the content of `head.npz` and how a head is applied. The model's graph holds the same weights in int8; the two
differ only by quantisation. A head whose width differs from the features is refused before it is used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError
from uncia_contract.npz import MAX_ARRAY_BYTES, read_arrays, write_arrays

_BYTES_A_NUMBER, _HEADERS = 8, 4096


@dataclass(frozen=True, eq=False)
class LogisticHead:
    """Multinomial logistic regression with its calibration.

    `weights` float32 (classes, features), `bias` float32 (classes,); `slope` and `offset` (float32 (classes,))
    calibrate: logits = slope * (weights @ features + bias) + offset, and softmax gives the probabilities.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    slope: float
    offset: NDArray[np.float32]

    def __post_init__(self) -> None:
        classes = len(self.weights)
        shapes = (self.weights.ndim, self.bias.shape, self.offset.shape)
        if classes < 2 or shapes != (2, (classes,), (classes,)):
            raise BundleError(
                f"head: weights {self.weights.shape}, bias {self.bias.shape}, offset {self.offset.shape}; "
                "expected (classes, features), (classes,), (classes,) with two classes or more"
            )
        if not all(np.isfinite(part).all() for part in (self.weights, self.bias, self.offset, self.slope)):
            raise BundleError("head: weights that are not numbers (NaN or infinite)")

    @property
    def classes(self) -> int:
        """The number of labels."""
        return int(self.weights.shape[0])

    @property
    def features(self) -> int:
        """The number of features that it expects."""
        return int(self.weights.shape[1])

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(weights, bias) that include the calibration, for a graph without calibration of its own."""
        slope = np.float32(self.slope)
        return self.weights * slope, self.bias * slope + self.offset

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, float32 (pictures, classes), rows sum to 1, from features, float32 (pictures, features).

        Raises:
            BundleError: the features have another width than the head.
        """
        if features.shape[-1] != self.features:
            raise BundleError(f"head: made for {self.features} features, the backbone gives {features.shape[-1]}")
        logits = self.slope * (features @ self.weights.T + self.bias) + self.offset
        return softmax(logits.astype(np.float32))


def positive_probability(row: NDArray[np.float32], columns: list[int]) -> float:
    """The sum of some columns of a row of probabilities, float32 (classes,), cut to 1."""
    return float(min(1.0, row[columns].sum(dtype=np.float64)))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities from logits by softmax over each row, both float32 (pictures, classes)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def head_to_bytes(head: LogisticHead) -> bytes:
    """The head as `head.npz`; equal heads give equal bytes."""
    return write_arrays(
        {"weights": head.weights, "bias": head.bias, "slope": np.float32(head.slope), "offset": head.offset}
    )


def head_from_bytes(data: bytes, classes: int | None = None, features: int | None = None) -> LogisticHead:
    """The head in a `head.npz`. If both `classes` and `features` are given, they bound the memory that is used.

    Raises:
        BundleError: not a `head.npz`, or its arrays do not fit together.
    """
    limit = MAX_ARRAY_BYTES
    if classes is not None and features is not None:
        limit = min(limit, _BYTES_A_NUMBER * (classes * (features + 2) + 1) + _HEADERS)
    arrays = read_arrays(data, "head.npz", ("weights", "bias", "slope", "offset"), limit)
    return LogisticHead(
        weights=arrays["weights"].astype(np.float32),
        bias=arrays["bias"].astype(np.float32),
        slope=float(arrays["slope"]),
        offset=arrays["offset"].astype(np.float32),
    )
