"""Held-out heads of a run: for each fold, the head fitted on the other folds. The converter's gate uses them.

Decides the format of `held-out.npz`: for each picture of `pictures.csv` the fold in which it was held out, and for each
fold a head, fitted in the same way as the final one on the pictures of all other folds. Training decides the folds; a
sequence, a group of near-duplicates or a source without positives is never split between two folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError, DataError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.npz import read_arrays, write_arrays

NO_FOLD = -1
_PARTS = ("folds", "weights", "bias", "slope", "offset")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out heads, and the fold of each picture.

    `folds` (pictures,) are indices into `heads`. `NO_FOLD` marks a picture that was not used at all because it could
    not be read.
    """

    folds: NDArray[np.intp]
    heads: Sequence[LogisticHead]


def held_out_to_bytes(held_out: HeldOut) -> bytes:
    """The content of `held-out.npz`."""
    heads = held_out.heads
    arrays = {
        "folds": held_out.folds.astype(np.int32),
        "weights": np.stack([head.weights for head in heads]),
        "bias": np.stack([head.bias for head in heads]),
        "slope": np.array([head.slope for head in heads]),
        "offset": np.stack([head.offset for head in heads]),
    }
    return write_arrays(arrays)


def held_out_from_bytes(data: bytes, pictures: int) -> HeldOut:
    """The held-out heads in the bytes of a `held-out.npz`.

    Args:
        data: the file's bytes.
        pictures: how many pictures the run has.

    Raises:
        DataError: the file is damaged, or made for another number of pictures.
    """
    try:
        arrays = read_arrays(data, "held-out.npz", _PARTS)
        heads = [LogisticHead(*parts) for parts in zip(*(arrays[name] for name in _PARTS[1:]), strict=True)]
    except (BundleError, ValueError, TypeError) as error:
        raise DataError(f"{error}; make the run anew with uncia-train fit") from error
    folds = arrays["folds"].astype(np.intp)
    if folds.shape != (pictures,) or not heads or folds.min() < NO_FOLD or folds.max() >= len(heads):
        raise DataError(
            f"held-out.npz: folds of {folds.shape} pictures for {len(heads)} heads, expected {pictures} pictures; "
            "make the run anew with uncia-train fit"
        )
    return HeldOut(folds, heads)
