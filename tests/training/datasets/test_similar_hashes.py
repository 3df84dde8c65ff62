"""The search for similar hashes finds the same pairs as a comparison of every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncia_training.datasets.similar_hashes import UNCUT, hashes, similar_pairs


def pairs(codes: np.ndarray, queries: np.ndarray, most: int) -> set[tuple[int, int]]:
    return {pair for one, other in similar_pairs(codes, queries, most) for pair in zip(one, other, strict=True)}


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_bands_find_the_same_pairs_as_comparing_all(seed, count, scenes):
    """No more and no fewer."""
    chance = np.random.default_rng(seed)
    base = chance.random((scenes, 64)) < 0.5
    bits = base[chance.integers(0, scenes, count)] ^ (chance.random((count, 64)) < chance.choice([0, 0.03, 0.08, 0.12]))
    codes = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    queries = codes[: count // 2]
    every = np.bitwise_count(codes[:, None] ^ queries[None]) <= 6
    assert pairs(codes, queries, 6) == set(zip(*np.nonzero(every), strict=True))


@pytest.mark.parametrize("bits", range(64), ids=lambda bit: f"from bit {bit}")
def test_six_bits_anywhere_are_found(bits):
    """At any six positions; with a seventh differing bit two hashes are not similar."""
    plain, six, seven = np.zeros((3, 64), bool)
    six[(bits + 11 * np.arange(6)) % 64] = True
    seven[(bits + 9 * np.arange(7)) % 64] = True
    codes = np.packbits([plain, six, seven], axis=1).view(np.uint64)[:, 0]
    assert pairs(codes[:1], codes[1:], 6) == {(0, 0)}


def test_more_bits_than_the_bands_can_find_are_refused():
    """Eight differing bits can put two into every band."""
    with pytest.raises(ValueError, match="at most 7"):
        list(similar_pairs(np.zeros(1, np.uint64), np.zeros(1, np.uint64), 8))


def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture():
    """It is computed without mirroring the picture."""
    small = np.random.default_rng(1).integers(0, 256, (20, 48, 48), np.uint8)
    assert np.array_equal(hashes(small, UNCUT, True), hashes(small[:, :, ::-1]))
