"""Perceptual hashes of miniatures, and a search for pairs of hashes that differ in few bits.

The 64 bits are divided into four bands of 16. If two hashes differ in at most seven bits, at least one band differs in
at most one bit. So only hashes with such a band are compared, not all pairs. Run time: `benchmarks/near_duplicates.py`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MINIATURE_SIDE = 48
HASH_SIDE = 8
BANDS, BAND_BITS = 4, 16
MOST_BITS = 2 * BANDS - 1  # two hashes that differ in more bits may differ in two bits of every band
PAIRS_AT_ONCE, HASHED_AT_ONCE = 4_000_000, 4096

Miniatures = NDArray[np.uint8]  # (pictures, side, side)
Codes = NDArray[np.uint64]
Numbers = NDArray[np.intp]
Box = tuple[float, float, float, float]  # the cut at left, top, right and bottom, in fractions of the picture
UNCUT: Box = (0.0, 0.0, 0.0, 0.0)


def miniature(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An RGB picture (height, width, 3) as a small grey square: uint8 (48, 48)."""
    small = Image.fromarray(image).convert("L").resize((MINIATURE_SIDE,) * 2, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)


def hashes(miniatures: Miniatures, box: Box = UNCUT, mirrored: bool = False) -> Codes:
    """The 64-bit hashes of miniatures, cut and mirrored; a bit says whether a cell is brighter than the one before."""
    left, top, right, bottom = box
    rows, columns = _averages(HASH_SIDE, top, bottom), _averages(HASH_SIDE + 1, left, right).T
    codes = np.empty(len(miniatures), np.uint64)
    for start in range(0, len(miniatures), HASHED_AT_ONCE):
        cells = np.round(rows @ miniatures[start : start + HASHED_AT_ONCE].astype(np.float32) @ columns)
        if mirrored:
            cells = cells[:, :, ::-1]
        bits = (cells[:, :, 1:] > cells[:, :, :-1]).reshape(len(cells), -1)
        codes[start : start + HASHED_AT_ONCE] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return codes


def _averages(cells: int, before: float, after: float) -> NDArray[np.float32]:
    """The weight of each pixel in each cell along one direction: (cells, side), rows sum to 1."""
    edges = np.linspace(before, 1 - after, cells + 1) * MINIATURE_SIDE
    pixels = np.arange(MINIATURE_SIDE)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(shared, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def similar_pairs(codes: Codes, queries: Codes, most: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of indices into codes and queries that differ in at most `most` bits (7 or less); pairs may be repeated."""
    if most > MOST_BITS:
        raise ValueError(f"similar hashes may differ in at most {MOST_BITS} bits, got {most}")
    for band in range(BANDS):
        keys, asked = _band(codes, band), _band(queries, band)
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        for change in (0, *(1 << bit for bit in range(BAND_BITS))):
            wanted = asked ^ change
            starts, ends = np.searchsorted(ranked, wanted), np.searchsorted(ranked, wanted, "right")
            for one, other in _matches(order, starts, ends):
                close = np.bitwise_count(codes[one] ^ queries[other]) <= most
                if close.any():
                    yield one[close], other[close]


def _band(codes: Codes, band: int) -> NDArray[np.int64]:
    return ((codes >> np.uint64(band * BAND_BITS)) & np.uint64(2**BAND_BITS - 1)).astype(np.int64)


def _matches(order: Numbers, starts: Numbers, ends: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """For each query, the codes from its start to its end in `order`, in blocks of some millions of pairs."""
    counts = ends - starts
    totals = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(counts) and totals[first] < totals[-1]:
        last = max(first + 1, int(np.searchsorted(totals, totals[first] + PAIRS_AT_ONCE, "right")) - 1)
        some = counts[first:last]
        within = np.arange(some.sum()) - np.repeat(totals[first:last] - totals[first], some)
        yield order[np.repeat(starts[first:last], some) + within], np.repeat(np.arange(first, last), some)
        first = last
