"""Gives the tensors of a network by name and shape: from a checkpoint, or random ones from a seed.

A checkpoint that lacks a tensor, or has it in another shape, is refused.
"""

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import DataError

_SEED = re.compile(r"random:(\d{1,9})", re.ASCII)
_ONES = ("weight", "gamma", "running_var", "moving_variance")


class Tensors(Protocol):
    """Named float32 arrays; convolution kernels are (out, in, height, width) unless the network uses another order."""

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor of that name and shape."""


@dataclass(frozen=True, eq=False)
class CheckpointTensors:
    """Tensors read from a file; `where` names it in errors."""

    arrays: Mapping[str, NDArray[Any]]
    where: str

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor as float32.

        Raises:
            DataError: it is missing, has another shape, or holds NaN or infinite values.
        """
        if name not in self.arrays:
            raise DataError(f"{self.where}: lacks {name} {shape}; it is a checkpoint of another network")
        array = self.arrays[name]
        if array.shape != shape:
            raise DataError(f"{self.where}: {name} has shape {array.shape}, expected {shape}; another network's?")
        if not np.isfinite(array).all():
            raise DataError(f"{self.where}: {name} holds NaN or infinite values; download it again")
        return array.astype(np.float32)


@dataclass(frozen=True)
class SeededTensors:
    """Random weights that depend only on the seed and the tensor's name. They are for tests, not for real results."""

    seed: int

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """He-normal kernels (out, in, ...), scales and variances of one, offsets and means of zero."""
        if len(shape) < 2:
            return np.full(shape, 1.0 if name.endswith(_ONES) else 0.0, np.float32)
        generator = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        spread = math.sqrt(2 / math.prod(shape[1:]))
        return (generator.standard_normal(shape) * spread).astype(np.float32)


def seed_of(weights: str) -> int | None:
    """The seed in `random:SEED`; None for any other text.

    Raises:
        DataError: the text starts with `random:`, but no number of at most nine digits follows.
    """
    if not weights.startswith("random:"):
        return None
    match = _SEED.fullmatch(weights)
    if match is None:
        raise DataError(f"weights {weights!r}: expected random:SEED with a number, such as random:1")
    return int(match.group(1))
