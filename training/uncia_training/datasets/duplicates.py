"""Pictures that show the same thing: near-duplicates, found by a perceptual hash, kept on one side of every split.

Decides the hash and how close is too close. Pairs are not all compared: the 64 bits are four bands of 16, and of two
hashes that differ in at most seven bits one band differs in at most one. Only pictures that share a band, or all of it
but one bit, are compared; equal hashes count once. What that costs: `benchmarks/near_duplicates.py`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_SIDE = 8
# Of 64 bits; the same photograph scaled or compressed again differs in 0 to 4, two photographs seldom in fewer than 12.
MAX_DIFFERENT_BITS = 6
BANDS, BAND_BITS = 4, 16
PAIRS_AT_ONCE = 4_000_000

Codes = NDArray[np.uint64]
Numbers = NDArray[np.intp]


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """64 bits: whether each cell of a small grey version is brighter than its left neighbour."""
    small = Image.fromarray(image).convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.int16)
    bits: NDArray[np.bool_] = (grey[:, 1:] > grey[:, :-1]).reshape(-1)
    return bits


def duplicate_groups(hashes: Sequence[NDArray[np.bool_]], most: int = MAX_DIFFERENT_BITS) -> list[int]:
    """A number for each picture; near-duplicates, also of each other's duplicates, share the first one's.

    Args:
        hashes: 64 bits each.
        most: how many bits near-duplicates may differ in, at most 7.

    Raises:
        ValueError: `most` is larger than the bands can find.
    """
    if most >= 2 * BANDS:
        raise ValueError(f"near-duplicates may differ in at most {2 * BANDS - 1} bits, got {most}")
    codes = np.packbits(np.asarray(hashes, bool), axis=1).view(np.uint64)[:, 0]
    distinct, inverse = np.unique(codes, return_inverse=True)
    groups = np.arange(len(distinct))
    for one, other in _candidates(distinct):
        close = np.bitwise_count(distinct[one] ^ distinct[other]) <= most
        joining = close & (groups[one] != groups[other])
        if joining.any():
            groups = _merged(groups, one[joining], other[joining])
    own = groups[inverse]
    _, first, number = np.unique(own, return_index=True, return_inverse=True)
    return first[number].tolist()


def _candidates(codes: Codes) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of numbers of codes with a band that is equal or differs in one bit; some pairs come more than once."""
    for band in range(BANDS):
        keys = ((codes >> np.uint64(band * BAND_BITS)) & np.uint64(2**BAND_BITS - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        yield from _matches(order, np.arange(1, len(keys) + 1), np.searchsorted(ranked, ranked, "right"))
        for bit in range(BAND_BITS):
            partner = np.where(
                ranked & (1 << bit), -1, ranked | (1 << bit)
            )  # -1: that pair is found from its other end
            yield from _matches(order, np.searchsorted(ranked, partner), np.searchsorted(ranked, partner, "right"))


def _matches(order: Numbers, starts: Numbers, ends: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """The pairs of each ordered code with those from its start to its end, some millions at a time."""
    counts = np.maximum(ends - starts, 0)
    totals = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(counts) and totals[first] < totals[-1]:
        last = max(first + 1, int(np.searchsorted(totals, totals[first] + PAIRS_AT_ONCE, "right")) - 1)
        some = counts[first:last]
        within = np.arange(some.sum()) - np.repeat(totals[first:last] - totals[first], some)
        yield np.repeat(order[first:last], some), order[np.repeat(starts[first:last], some) + within]
        first = last


def _merged(groups: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """The groups once these pairs are joined."""
    count = len(groups)
    edges = coo_array((np.ones(len(one), np.int8), (groups[one], groups[other])), shape=(count, count))
    _, joined = connected_components(edges, directed=False)
    result: Numbers = joined.astype(np.intp)[groups]
    return result
