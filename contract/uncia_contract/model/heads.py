"""The logistic head: from a backbone's features to calibrated probabilities, in float32 (DESIGN 4).

Decides what `head.npz` holds and how it is applied. The bundle's graph holds the same weights in int8; both agree to
quantisation error. A head of another width than the features is refused here, before anything is scored with it.
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
        """How many labels it tells apart."""
        return int(self.weights.shape[0])

    @property
    def features(self) -> int:
        """How many features it expects."""
        return int(self.weights.shape[1])

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(weights, bias) with the calibration folded in, for a graph that has no place for it."""
        slope = np.float32(self.slope)
        return self.weights * slope, self.bias * slope + self.offset

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (pictures, classes), rows sum to 1, from float32 (pictures, features).

        Raises:
            BundleError: the features have another width than the head.
        """
        if features.shape[-1] != self.features:
            raise BundleError(f"head: made for {self.features} features, the backbone gives {features.shape[-1]}")
        logits = self.slope * (features @ self.weights.T + self.bias) + self.offset
        return softmax(logits.astype(np.float32))


def positive_probability(row: NDArray[np.float32], columns: list[int]) -> float:
    """In [0, 1]: the probability of some classes together, from float32 (classes,)."""
    return float(min(1.0, row[columns].sum(dtype=np.float64)))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of probabilities from rows of logits, both float32 (pictures, classes)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def head_to_bytes(head: LogisticHead) -> bytes:
    """The head as `head.npz`; equal heads give equal bytes."""
    return write_arrays(
        {"weights": head.weights, "bias": head.bias, "slope": np.float32(head.slope), "offset": head.offset}
    )


def head_from_bytes(data: bytes, classes: int | None = None, features: int | None = None) -> LogisticHead:
    """The head in a `head.npz`; where its size is known, no more memory is taken for it.

    Raises:
        BundleError: not such a file, or its parts do not fit together.
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
