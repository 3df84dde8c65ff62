"""Where a frame differs from what is behind it, and where that is more than noise.

Decides the arithmetic on small grey frames: brightness and exposure taken out, the background of a burst, the changed
pixels, the patches they form. What becomes of them is decided in `regions`.

All frames here are float32 (height, width) in grey levels about the frame's own median ("flat").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Flat = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.intp]

CELL_PX = 4  # patches are sought on cells of this side: what lies closer than a cell belongs together
CELL_PIXELS = 3  # changed pixels that make a cell count; lone ones are noise
NEAR = 0.5  # a patch within this many sides of the strongest belongs to it (a head apart from its body)
FAINT = 0.05  # ... if it has this share of the strongest one's evidence
RIVAL = 0.7  # a patch with this share of it is kept wherever it lies (a second animal)
MEDIAN_ROWS = 16
LONG_BURST = 6  # frames beyond which an animal hardly lies in half of them, so that the plain median serves


def flattened(frame: Grey | Flat) -> Flat:
    """Minus its own median, then smoothed.

    In this order, and with a kernel of sixteenths, the arithmetic is exact: brightness cancels to the last bit.
    """
    grey = frame.astype(np.float32)
    return smoothed(grey - np.float32(np.median(grey[::2, ::2])))


def smoothed(frame: Flat) -> Flat:
    """Smoothed by a 5 x 5 binomial kernel, edges repeated."""
    padded = np.pad(frame, 2, mode="edge")
    rows = padded[:-4] + padded[4:] + 4 * (padded[1:-3] + padded[3:-1]) + 6 * padded[2:-2]
    both = rows[:, :-4] + rows[:, 4:] + 4 * (rows[:, 1:-3] + rows[:, 3:-1]) + 6 * rows[:, 2:-2]
    return np.asarray(both / 256, dtype=np.float32)


def evenly_exposed(frames: Flat) -> Flat:
    """The flat frames of one view, (frames, height, width), with a flash that fired weaker or stronger made good.

    Only clear differences of contrast (more than 15 %) are touched, and only where that brings a frame nearer to the
    burst's median: another slant of light is not another exposure. An animal hardly moves a median.
    """
    some = frames[:, ::4, ::4]
    spread = np.median(np.abs(some), axis=(1, 2))
    usual = float(np.median(spread))
    if usual < 1:
        return frames
    gain = np.clip(spread / usual, 0.5, 2.0)
    middle = np.median(some, axis=0)
    as_taken = np.median(np.abs(some - middle), axis=(1, 2))
    corrected = np.median(np.abs(some / gain[:, None, None] - middle), axis=(1, 2))
    gain[(np.abs(gain - 1) <= 0.15) | (corrected > 0.35 * as_taken)] = 1.0
    return frames if (gain == 1).all() else np.asarray(frames / gain[:, None, None], dtype=np.float32)


def median_frame(frames: Flat) -> Flat:
    """The median of each pixel over (frames, height, width), a few rows at a time: they stay in the cache."""
    middle = np.empty(frames.shape[1:], dtype=np.float32)
    for row in range(0, len(middle), MEDIAN_ROWS):
        ordered = in_order(frames[:, row : row + MEDIAN_ROWS])
        middle[row : row + MEDIAN_ROWS] = (ordered[(len(frames) - 1) // 2] + ordered[len(frames) // 2]) / 2
    return middle


def in_order(frames: Sequence[Flat] | Flat) -> list[Flat]:
    """Frames, each pixel of them from the least to the greatest; `np.sort` is slow along short axes."""
    ordered = list(frames)
    for low, high in exchanges(len(ordered)):
        one, other = ordered[low], ordered[high]
        ordered[low], ordered[high] = np.minimum(one, other), np.maximum(one, other)
    return ordered


@cache
def exchanges(count: int) -> tuple[tuple[int, int], ...]:
    """Which pairs to put in order, one after the other, to sort so many (Batcher's merge exchange, Knuth 5.2.2 M)."""
    half = 1 << (max(count, 2) - 1).bit_length() - 1
    found: list[tuple[int, int]] = []
    part = half
    while part:
        far, offset, apart = half, 0, part
        while True:
            found += [(low, low + apart) for low in range(count - apart) if low & part == offset]
            if far == part:
                break
            far, offset, apart = far // 2, part, far - part
        part //= 2
    return tuple(found)


def behind(frames: Flat, background: Flat | None) -> Flat | None:
    """What each frame is compared with: the burst's median, the rolling background, the other frame, or nothing."""
    if len(frames) >= 3:
        return np.broadcast_to(median_frame(frames), frames.shape)
    if background is not None:
        return np.broadcast_to(background, frames.shape)
    return frames[::-1] if len(frames) == 2 else None


def evidence(frames: Flat, change: Flat, doubt: float) -> Iterable[Flat]:
    """How much each change belongs to its own frame: its size less `doubt` times the disagreement of the others.

    Where an animal stood in several frames their median holds it, and a frame without it shows its ghost; the others,
    with a walking animal, disagree there. So do they in swaying grass. In a long burst the median deviation serves.
    """
    if len(frames) < 3:
        return change
    if len(frames) > LONG_BURST:
        usual = doubt * median_frame(change)
        return (np.maximum(one - usual, 0) for one in change)
    found = np.empty_like(change)
    for n, frame in enumerate(frames):
        others = in_order([other for m, other in enumerate(frames) if m != n])
        count, inner = len(others), int(len(others) > 3)
        middle = (others[(count - 1) // 2] + others[count // 2]) / 2
        disagreement = (others[-1 - inner] - others[inner]) / 2
        found[n] = np.maximum(np.abs(frame - middle) - doubt * disagreement, 0)
    return found


@dataclass(frozen=True, eq=False)
class Patches:
    """The changed pixels of one frame, gathered into patches on a grid of cells.

    `labels` (rows, columns of cells) numbers the patches, 0 for none; `pixels` and `strength` are per label.
    """

    labels: Labels
    pixels: NDArray[np.float64]
    strength: NDArray[np.float64]

    @property
    def strongest(self) -> int:
        """The label of the patch with most evidence; 0 where there is none."""
        return int(np.argmax(self.strength))

    @property
    def share(self) -> float:
        """The strongest patch's share of all evidence in patches."""
        total = float(self.strength.sum())
        return float(self.strength.max()) / total if total > 0 else 0.0


def patches(changed: Mask, proof: Flat) -> Patches:
    """The patches of one frame's changed pixels, weighed by their evidence; equal in shape (height, width)."""
    counts = _per_cell(changed.astype(np.float32))
    labels = _connected(counts >= CELL_PIXELS)
    weights = _per_cell(np.where(changed, proof, np.float32(0)))
    pixels = np.bincount(labels.ravel(), counts.ravel()).astype(np.float64)
    strength = np.bincount(labels.ravel(), weights.ravel()).astype(np.float64)
    pixels[0] = strength[0] = 0
    return Patches(labels, pixels, strength)


def animal(found: Patches, shape: tuple[int, ...]) -> Mask:
    """The pixels (height, width) of the strongest patch, of what lies near it, and of its rivals."""
    strongest = found.strongest
    frame, kept = _extent(found.labels == strongest), found.labels == strongest
    reach = max(NEAR * max(frame[2] - frame[0] + 1, frame[3] - frame[1] + 1), 2.0)
    least = FAINT * found.strength[strongest]
    for label in np.flatnonzero(found.strength >= max(least, 1e-6)):
        patch = found.labels == label
        near = _gap(frame, _extent(patch)) <= reach
        if near or found.strength[label] >= RIVAL * found.strength[strongest]:
            kept |= patch
    pixels: Mask = kept.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)[: shape[0], : shape[1]]
    return pixels


def _extent(patch: Mask) -> tuple[int, int, int, int]:
    """First row, first column, last row, last column of a patch."""
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def _gap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> int:
    """How many cells lie between two extents, down or across, whichever is more."""
    return max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3], 0)


def _per_cell(values: Flat) -> Flat:
    """Sums over cells of CELL_PX x CELL_PX pixels; the last ones may be cut."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], CELL_PX), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], CELL_PX), axis=1), dtype=np.float32)


def _connected(active: Mask) -> Labels:
    """Active cells that touch, corners included, share a number from 1; the others are 0."""
    labels = np.zeros(active.shape, dtype=np.intp)
    waiting = {(int(row), int(column)) for row, column in np.argwhere(active)}
    number = 0
    while waiting:
        number += 1
        edge = [waiting.pop()]
        while edge:
            row, column = edge.pop()
            labels[row, column] = number
            touching = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & waiting
            waiting -= touching
            edge.extend(touching)
    return labels
