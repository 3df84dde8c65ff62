"""Arithmetic on small frames: medians by exchanging pairs are numpy's medians."""

import numpy as np
import pytest

from uncia_contract.changes import in_order, median_frame


@pytest.mark.parametrize("frames", [*range(1, 18), 29, 30, 31], ids=str)
def test_the_median_of_a_burst_is_numpys_to_the_last_bit(frames: int) -> None:
    """For every length that a burst may have, over rows that do not fill the last block."""
    burst = np.random.default_rng(frames).normal(0, 20, (frames, 37, 11)).astype(np.float32)
    assert np.array_equal(median_frame(burst), np.median(burst, axis=0))


@pytest.mark.parametrize("frames", range(1, 12), ids=str)
def test_zeros_and_ones_are_put_in_order(frames: int) -> None:
    """All of their rows at once: what sorts every row of zeros and ones sorts everything (Knuth 5.3.4 Z)."""
    every = (np.arange(2**frames)[None] >> np.arange(frames)[:, None] & 1).astype(np.float32)[:, None]
    assert np.array_equal(np.stack(in_order(every)), np.sort(every, axis=0))
