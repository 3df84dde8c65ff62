"""Near-duplicates: what is found is what comparing every pair would find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncia_training.datasets.duplicates import MAX_DIFFERENT_BITS, duplicate_groups


def by_every_pair(hashes: np.ndarray) -> list[int]:
    """The slow way: each picture takes the number of the first it can be reached from."""
    close = (hashes[:, None] != hashes[None]).sum(axis=2) <= MAX_DIFFERENT_BITS
    reached = close
    while not np.array_equal(reached, wider := (reached @ reached.astype(np.int64)) > 0):
        reached = wider
    return [int(row.argmax()) for row in reached]


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_no_pair_is_missed_and_none_invented(seed, count, scenes):
    """Bands find exactly the groups that comparing all pairs gives, numbered by their first picture."""
    chance = np.random.default_rng(seed)
    base = chance.random((scenes, 64)) < 0.5
    flips = chance.random((count, 64)) < chance.choice([0, 0.03, 0.08, 0.12], (count, 1))
    hashes = base[chance.integers(0, scenes, count)] ^ flips
    assert duplicate_groups(list(hashes)) == by_every_pair(hashes)


@pytest.mark.parametrize("bits", range(64), ids=lambda bit: f"from bit {bit}")
def test_six_bits_anywhere_are_found(bits):
    """Wherever six differing bits lie, two pictures are near-duplicates; a seventh parts them."""
    plain, six, seven = np.zeros((3, 64), bool)
    six[(bits + 11 * np.arange(6)) % 64] = True
    seven[(bits + 9 * np.arange(7)) % 64] = True
    assert duplicate_groups([plain, six]) == [0, 0]
    assert duplicate_groups([plain, seven]) == [0, 1]


def test_more_bits_than_the_bands_can_find_are_refused():
    """Eight differing bits may leave two in every band."""
    with pytest.raises(ValueError, match="at most 7"):
        duplicate_groups([np.zeros(64, bool)], most=8)
