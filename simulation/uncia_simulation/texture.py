"""Seeded noise for rendering: fractal tiles and their lookup, smooth steps, blurs.

Decides how noise is made and read; the caller decides its use (hills, grain of rock, fur). All arrays are float32.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
TILE_PX = 512  # a power of two: wrapping is a bit mask


def fractal(rng: np.random.Generator, fall: float, finest_px: float = 2.0) -> Array:
    """A tile (TILE_PX, TILE_PX) of noise that repeats without a seam; mean 0, standard deviation 1.

    The amplitude falls with the frequency to the power of `fall`: 1.8 looks like hills, 0.8 like gravel. Waves much
    shorter than `finest_px` are left out.
    """
    white = rng.standard_normal((TILE_PX, TILE_PX))
    rows, columns = np.fft.fftfreq(TILE_PX)[:, None], np.fft.rfftfreq(TILE_PX)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    spectrum = frequency**-fall * np.exp(-((frequency * finest_px) ** 2))
    tile = np.fft.irfft2(np.fft.rfft2(white) * spectrum, s=white.shape)
    return np.asarray(tile / tile.std(), dtype=np.float32)


def sample(tile: Array, u: Array, v: Array) -> Array:
    """The tile's values at columns `u` and rows `v` (pixels, any size, wrapped), bilinear."""
    left, top = np.floor(u), np.floor(v)
    across, down = u - left, v - top
    column, row = left.astype(np.int32) & (TILE_PX - 1), top.astype(np.int32) & (TILE_PX - 1)
    next_column, next_row = (column + 1) & (TILE_PX - 1), (row + 1) & (TILE_PX - 1)
    flat = tile.ravel()
    upper = flat[row * TILE_PX + column] * (1 - across) + flat[row * TILE_PX + next_column] * across
    lower = flat[next_row * TILE_PX + column] * (1 - across) + flat[next_row * TILE_PX + next_column] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def step(low: float, high: float, value: Array) -> Array:
    """0 at or below `low`, 1 at or above `high`, smooth between them."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def blurred(picture: Array, radius_px: int) -> Array:
    """A picture (height, width) after two box blurs of `radius_px`; edges are repeated."""
    for _ in range(2):
        for axis in (0, 1):
            picture = _box(picture, radius_px, axis)
    return picture


def _box(picture: Array, radius_px: int, axis: int) -> Array:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius_px + 1, radius_px)
    total = np.cumsum(np.pad(picture, pad, mode="edge"), axis=axis, dtype=np.float64)
    width = 2 * radius_px + 1
    upper = np.take(total, range(width, total.shape[axis]), axis=axis)
    lower = np.take(total, range(total.shape[axis] - width), axis=axis)
    return np.asarray((upper - lower) / width, dtype=np.float32)
