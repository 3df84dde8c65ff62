"""Pictures that show the same thing: near-duplicates, found by a perceptual hash, kept on one side of every split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 8
# Of 64 bits; the same photograph scaled or compressed again differs in 0 to 4, two photographs seldom in fewer than 12.
MAX_DIFFERENT_BITS = 6


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """64 bits: whether each cell of a small grey version is brighter than its left neighbour."""
    small = Image.fromarray(image).convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.int16)
    bits: NDArray[np.bool_] = (grey[:, 1:] > grey[:, :-1]).reshape(-1)
    return bits


def duplicate_groups(hashes: Sequence[NDArray[np.bool_]], most: int = MAX_DIFFERENT_BITS) -> list[int]:
    """A number for each picture; near-duplicates, also of each other's duplicates, share one."""
    bits = np.asarray(hashes, dtype=np.int16) * 2 - 1
    close = (bits.shape[1] - bits @ bits.T) // 2 <= most
    groups = list(range(len(bits)))
    for index in range(len(bits)):
        lowest = min(groups[other] for other in np.flatnonzero(close[index]))
        joined = {groups[other] for other in np.flatnonzero(close[index])}
        groups = [lowest if group in joined else group for group in groups]
    return groups
