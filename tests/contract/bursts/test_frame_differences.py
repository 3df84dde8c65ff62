"""Arithmetic on small frames: the faster replacements of numpy functions give numpy's results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.bursts.frame_differences import (
    Compared,
    flattened,
    in_order,
    median_frame,
    middle,
    noise_threshold,
    patches,
)
from uncia_contract.bursts.regions import RegionRule, _percentile

CHANCE = np.random.default_rng(3)


@pytest.mark.parametrize("frames", [*range(1, 18), 29, 30, 31], ids=str)
def test_the_median_of_a_burst_is_numpys_to_the_last_bit(frames: int) -> None:
    """For every length that a burst may have, over rows that do not fill the last block."""
    burst = np.random.default_rng(frames).normal(0, 20, (frames, 37, 11)).astype(np.float32)
    assert np.array_equal(median_frame(burst), np.median(burst, axis=0))


@pytest.mark.parametrize("frames", range(1, 12), ids=str)
def test_zeros_and_ones_are_put_in_order(frames: int) -> None:
    """A network that sorts every sequence of zeros and ones sorts everything (Knuth 5.3.4 Z)."""
    every = (np.arange(2**frames)[None] >> np.arange(frames)[:, None] & 1).astype(np.float32)[:, None]
    assert np.array_equal(np.stack(in_order(every)), np.sort(every, axis=0))


@pytest.mark.parametrize("frames", range(2, 11), ids=str)
def test_wanted_ranks_are_those_of_the_whole_order(frames: int) -> None:
    """Exchanges on which a rank does not depend may be left out; every pair of ranks is tried."""
    burst = CHANCE.normal(0, 20, (frames, 3, 50)).astype(np.float32)
    ordered = np.sort(burst, axis=0)
    pairs = [(low, high) for low in range(frames) for high in range(low, frames)]
    found = [np.stack(in_order(burst, pair))[list(pair)] for pair in pairs]
    assert all(np.array_equal(one, ordered[list(pair)]) for one, pair in zip(found, pairs, strict=True))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 9), (8, 11), (96, 128)], ids=str)
def test_the_middle_is_numpys_median(shape: tuple[int, int]) -> None:
    """For odd and even counts, with equal values."""
    values = CHANCE.integers(-9, 9, shape).astype(np.float32) / 2
    assert middle(values) == np.median(values)


@given(st.lists(st.tuples(st.sampled_from([-1.5, 0.0, 2.0, 7.0]), st.integers(1, 60)), min_size=1, max_size=4))
def test_the_middle_of_many_equal_values_is_numpys_median(runs: list[tuple[float, int]]) -> None:
    """Also where exactly half of them are equal."""
    values = np.concatenate([np.full(count, value, np.float32) for value, count in runs])
    assert middle(values) == np.median(values)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (37, 11)], ids=str)
def test_bytes_and_numbers_are_flattened_alike(shape: tuple[int, int]) -> None:
    """Sixteen bits are enough for all byte values."""
    frame = CHANCE.choice([0, 1, 254, 255], shape).astype(np.uint8)
    assert np.array_equal(flattened(frame)[:], flattened(frame.astype(np.float32))[:])


def test_a_flat_frame_is_smoothed_by_the_binomial_kernel() -> None:
    """One bright pixel shows the kernel; its median is 0."""
    frame = np.zeros((9, 9), np.uint8)
    frame[4, 4] = 255
    kernel = np.outer((1, 4, 6, 4, 1), (1, 4, 6, 4, 1))
    assert np.array_equal(flattened(frame)[2:7, 2:7], 255 / 256 * kernel.astype(np.float32))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.floats(0, 100))
def test_a_percentile_of_counts_is_numpys_of_the_numbers(numbers: list[int], bound: float) -> None:
    """Bit for bit, for any first number."""
    counts = np.bincount(numbers).astype(np.uint32)
    assert _percentile(counts, bound, first=7) == np.percentile(np.add(numbers, 7), bound)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.4, 0.6], ids=str)
def test_patches_are_cells_that_touch(density: float) -> None:
    """Two active cells share a label exactly when steps to neighbouring active cells, corners included, join them."""
    active = CHANCE.random((30, 41)) < density
    labels = patches(active.repeat(4, axis=0).repeat(4, axis=1), np.ones((120, 164), np.float32)).labels
    reached = np.where(active, np.arange(1, active.size + 1).reshape(active.shape), 0)
    for _ in range(active.size):
        around = np.pad(reached, 1)
        views = [around[down : down + 30, across : across + 41] for down in range(3) for across in range(3)]
        reached = np.where(active, np.max(views, axis=0), 0)
    assert len(set(zip(labels.flat, reached.flat, strict=True))) == len(set(labels.flat)) == len(set(reached.flat))


@pytest.mark.parametrize("frames", [2, 3, 6, 7, 12], ids=str)
def test_changes_by_rows_are_those_of_whole_frames(frames: int) -> None:
    """A frame's change does not depend on how many rows are computed at a time."""
    burst = CHANCE.normal(0, 20, (frames, 37, 22)).astype(np.float32)
    compared = Compared(burst, [median_frame(burst)] * frames)
    assert np.array_equal(compared.change(1, slice(16, 32)), compared.change(1)[16:32])


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0, 3.0, 20.0], ids=str)
def test_a_threshold_is_the_largest_of_the_three(noise: float) -> None:
    """Also where the noise is not measured because it cannot be the largest."""
    rule = RegionRule()
    change = np.abs(np.random.default_rng(4).normal(0, noise, (90, 120))).astype(np.float32)
    robust = rule.noise_sds * 1.4826 * float(np.median(change[::2, ::2]))
    three = (rule.min_change, float(change.mean() + rule.sds * change.std()), robust)
    assert noise_threshold(change, rule.min_change, rule.sds, rule.noise_sds) == max(three)
