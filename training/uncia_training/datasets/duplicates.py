"""Finds copies: pictures of the same photograph, saved again, scaled, mirrored, or cut by up to 5 % at each edge.

#1 The hash of a copy is similar to that of the other picture, or of the other picture cut and mirrored. #2 The aligned
miniatures correlate by at least 0.95; a picture without contrast is no copy. #3 First, plain copies are joined into
groups; then the first pictures of the groups are compared cut and mirrored.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from uncia_training.datasets.similar_hashes import (
    MINIATURE_SIDE,
    UNCUT,
    Box,
    Codes,
    Miniatures,
    Numbers,
    hashes,
    similar_pairs,
)

# Of 64 bits. Copies that were scaled or compressed again differ in 0 to 4 bits, two photographs seldom in fewer than
# 12.
MAX_DIFFERENT_BITS = 6
LEAST_CORRELATION = 0.95  # pictures of ../shared/data: copies cut by 5 % 0.92 to 1, different photographs up to 0.944
LEAST_AT_FIRST = 0.8  # least correlation before the cut is adjusted
LEAST_CONTRAST = 2.0  # standard deviation in grey levels
EDGE = (0.0, 0.04)  # the cuts to try at each edge; one of them is near enough to any cut of 0 to 5 %
CUTS: list[Box] = list(product(EDGE, EDGE, EDGE, EDGE))
MOST_CUT = 0.07
AT_ONCE = 20_000


def duplicate_groups(miniatures: Sequence[NDArray[np.uint8]]) -> list[int]:
    """A group number for each picture: the index of its first copy. Copies of copies are in the same group.

    Args:
        miniatures: uint8 (48, 48) each, from `miniature`.
    """
    if not miniatures:
        return []
    small = np.asarray(miniatures, np.uint8)
    whole = hashes(small)
    groups = _joined_plain(small, whole)
    first = np.unique(groups, return_index=True)[1]
    groups = _joined_changed(small, whole, groups, first)
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    return first[number].tolist()


def _joined_plain(small: Miniatures, codes: Codes) -> Numbers:
    groups = np.arange(len(small))
    for found in similar_pairs(codes, codes, MAX_DIFFERENT_BITS):
        for numbers in _some(*found):
            one, other = (some[groups[numbers[0]] != groups[numbers[1]]] for some in numbers)
            if len(one) and (same := _correlations(small[one], small[other]) >= LEAST_CORRELATION).any():
                groups = _merged(groups, one[same], other[same])
    return groups


def _joined_changed(small: Miniatures, codes: Codes, groups: Numbers, first: Numbers) -> Numbers:
    """The groups, with those joined whose first pictures are cut or mirrored copies of each other (#3)."""
    cuts: dict[tuple[int, int, bool], list[Box]] = defaultdict(list)
    for mirrored, box in product((False, True), CUTS):
        for found in similar_pairs(codes[first], hashes(small[first], box, mirrored), MAX_DIFFERENT_BITS):
            for part, whole in zip(*(first[numbers].tolist() for numbers in found), strict=True):
                cuts[part, whole, mirrored].append(box)
    for (part, whole, mirrored), boxes in cuts.items():
        if groups[part] != groups[whole]:
            target = small[part][:, ::-1] if mirrored else small[part]
            if _is_cut_from(target, small[whole], boxes):
                groups = _merged(groups, np.array([part]), np.array([whole]))
    return groups


def _some(one: Numbers, other: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    for start in range(0, len(one), AT_ONCE):
        yield one[start : start + AT_ONCE], other[start : start + AT_ONCE]


def _is_cut_from(part: NDArray[np.uint8], whole: NDArray[np.uint8], boxes: Iterable[Box]) -> bool:
    """Whether a picture is a part of another; the cut is adjusted in steps to find the best correlation."""
    picture = Image.fromarray(whole)

    def likeness(cut: Box) -> float:
        left, top, right, bottom = (MINIATURE_SIDE * edge for edge in cut)
        inner = (left, top, MINIATURE_SIDE - right, MINIATURE_SIDE - bottom)
        seen = np.asarray(picture.resize(picture.size, Image.Resampling.BILINEAR, box=inner))
        return float(_correlations(seen[None], part[None])[0])

    best = max((likeness(cut), cut) for cut in {UNCUT, *boxes})
    if best[0] < LEAST_AT_FIRST:
        return False
    for step, edge, sign in product((0.02, 0.01), range(4), (-1, 1)):
        moved = min(max(best[1][edge] + sign * step, 0.0), MOST_CUT)
        cut: Box = (*best[1][:edge], moved, *best[1][edge + 1 :])  # type: ignore[assignment]
        best = max(best, (likeness(cut), cut))
    return best[0] >= LEAST_CORRELATION


def _correlations(some: Miniatures, others: Miniatures) -> NDArray[np.float32]:
    """The correlation of each pair of miniatures, in [-1, 1]; 0 if one has no contrast."""
    one, other = (_centred(pictures) for pictures in (some, others))
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    least = LEAST_CONTRAST * MINIATURE_SIDE
    known = (lengths[0] >= least) & (lengths[1] >= least)
    products: NDArray[np.float32] = np.einsum("ij,ij->i", one, other)
    return np.where(known, products / np.maximum(lengths[0] * lengths[1], least), 0).astype(np.float32)


def _centred(pictures: Miniatures) -> NDArray[np.float32]:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat - flat.mean(axis=1, keepdims=True)


def _merged(groups: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """The groups, with the groups of these pairs joined."""
    count = len(groups)
    edges = coo_array((np.ones(len(one), np.int8), (groups[one], groups[other])), shape=(count, count))
    _, joined = connected_components(edges, directed=False)
    result: Numbers = joined.astype(np.intp)[groups]
    return result
