"""Arithmetic on small grey frames: where a frame differs from the background by more than noise.

Removes differences of brightness and exposure, computes a burst's background, the changed pixels and the patches that
they form. `regions` decides what follows from them.

A "flat" frame is float32 (height, width): grey levels minus the frame's own median.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Flat = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.intp]

CELL_PX = 4  # side of a cell; patches are made of cells, so changes closer than a cell are one patch
CELL_PIXELS = 3  # least number of changed pixels in an active cell; fewer are noise
NEAR = 0.5  # a patch within this many sides of the strongest belongs to it (a head apart from its body)
FAINT = 0.05  # ... if it has this share of the strongest patch's evidence
RIVAL = 0.7  # a patch with this share of the strongest one's evidence is kept at any place (a second animal)
BLOCK_PIXELS = 80 * 1024  # pixels of all frames in one block; with the results they fit in a core's cache
LONG_BURST = 6  # in a longer burst an animal seldom covers a place in half of the frames, so the median is enough


def middle(values: Flat) -> np.float32:
    """The median of float32 values of any shape, bit for bit that of `np.median`.

    In still scenes most values are equal. Where a value from a sample turns out to be the median by counting, this is
    ten times faster than sorting.
    """
    flat = values.ravel()
    half = flat.size // 2
    some = np.sort(flat[:: half // 32 + 1])
    likely = some[some.size // 2]
    if np.count_nonzero(flat < likely) < half and np.count_nonzero(flat <= likely) > half:
        return np.float32(likely)
    ordered = np.partition(flat, half)
    return np.float32(ordered[half] if flat.size % 2 else (ordered[:half].max() + ordered[half]) / 2)


@dataclass(frozen=True, eq=False)
class Fine:
    """A flat frame stored in half the memory; indexing it (`[rows]`, `[:]`, `[::4, ::4]`) gives float32.

    `pixels` are the smoothed grey levels times 256, an exact integer; `level` is the frame's median.
    """

    pixels: NDArray[np.uint16]
    level: np.float32

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width)."""
        return self.pixels.shape

    def __getitem__(self, part: Any) -> Flat:
        flat: Flat = np.multiply(self.pixels[part], np.float32(1 / 256), dtype=np.float32)
        flat -= self.level
        return flat


Frame = Flat | Fine


def flattened(frame: Grey | Flat) -> Frame:
    """The flat frame: smoothed by a 5 x 5 binomial kernel (edges repeated), minus the median of the unsmoothed frame.

    The arithmetic is exact (a smoothed byte needs sixteen bits), so a change of overall brightness cancels exactly.
    """
    level = middle(frame[::2, ::2].astype(np.float32))
    if frame.dtype == np.uint8:
        return Fine(smoothed(frame.astype(np.uint16)), level)
    return np.asarray(smoothed(frame - level) / 256, dtype=np.float32)


def smoothed(frame: NDArray[Any]) -> NDArray[Any]:
    """256 times the frame smoothed by the kernel, in the frame's own dtype."""
    height, width = frame.shape
    padded = np.empty((height + 4, width), frame.dtype)
    padded[2:-2], padded[:2], padded[-2:] = frame, frame[0], frame[-1]
    rows = np.empty((height, width + 4), frame.dtype)
    rows[:, 2:-2] = padded[:-4] + padded[4:] + 4 * (padded[1:-3] + padded[3:-1]) + 6 * padded[2:-2]
    rows[:, :2], rows[:, -2:] = rows[:, 2:3], rows[:, -3:-2]
    both: NDArray[Any] = rows[:, :-4] + rows[:, 4:] + 4 * (rows[:, 1:-3] + rows[:, 3:-1]) + 6 * rows[:, 2:-2]
    return both


def evenly_exposed(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The flat frames of one view, corrected for a flash that was weaker or stronger in some of them.

    A frame is corrected only if its contrast differs by more than 15 %, and only if the correction brings it nearer to
    the burst's median: light from another direction is not another exposure. An animal changes a median very little.
    """
    some = np.stack([frame[::4, ::4] for frame in frames])
    spread = _middle_each(np.abs(some))
    median_spread = float(np.median(spread))
    if median_spread < 1:
        return frames
    gain = np.clip(spread / median_spread, 0.5, 2.0)
    middle_one = median_frame(some)
    as_taken = _middle_each(np.abs(some - middle_one))
    corrected = _middle_each(np.abs(some / gain[:, None, None] - middle_one))
    gain[(np.abs(gain - 1) <= 0.15) | (corrected > 0.35 * as_taken)] = 1.0
    if (gain == 1).all():
        return frames
    return [np.asarray(one[:] / by, np.float32) for one, by in zip(frames, gain, strict=True)]


def _middle_each(frames: Flat) -> Flat:
    return np.array([middle(frame) for frame in frames], np.float32)


def median_frame(frames: Sequence[Frame] | Flat) -> Flat:
    """The median of each pixel over frames of (height, width)."""
    found = np.empty(frames[0].shape, dtype=np.float32)
    for rows in blocks(frames):
        found[rows] = _middle_of([frame[rows] for frame in frames])
    return found


def blocks(frames: Sequence[Frame] | Flat) -> Iterator[slice]:
    """Slices of rows, in order, that cover frames of one shape in blocks of about `BLOCK_PIXELS`."""
    height, width = frames[0].shape
    step = max(1, BLOCK_PIXELS // (len(frames) * width))
    return (slice(row, row + step) for row in range(0, height, step))


def _middle_of(frames: Sequence[Flat]) -> Flat:
    low, high = (len(frames) - 1) // 2, len(frames) // 2
    ordered = in_order(frames, (low, high))
    return ordered[low] if low == high else np.asarray((ordered[low] + ordered[high]) / 2, np.float32)


def in_order(frames: Sequence[Flat] | Flat, ranks: tuple[int, ...] | None = None) -> list[Flat]:
    """The frames with each pixel's values sorted, the least first. Replaces `np.sort`, which is slow on short axes.

    Args:
        frames: frames of one shape.
        ranks: the positions of the result that are needed, the others are undefined; None for all.
    """
    ordered = list(frames)
    for low, high, has_low, has_high in needed(len(ordered), ranks or tuple(range(len(ordered)))):
        one, other = ordered[low], ordered[high]
        if has_low:
            ordered[low] = np.minimum(one, other)
        if has_high:
            ordered[high] = np.maximum(one, other)
    return ordered


@cache
def needed(count: int, ranks: tuple[int, ...]) -> tuple[tuple[int, int, bool, bool], ...]:
    """The exchanges that the given ranks of `count` values depend on.

    Each is (low, high, whether the smaller value is needed, whether the larger one is).
    """
    wanted, found = set(ranks), []
    for low, high in reversed(exchanges(count)):
        if low in wanted or high in wanted:
            found.append((low, high, low in wanted, high in wanted))
            wanted |= {low, high}
    return tuple(reversed(found))


@cache
def exchanges(count: int) -> tuple[tuple[int, int], ...]:
    """The pairs to put in order, one after the other, to sort `count` values (Batcher; Knuth, algorithm 5.2.2 M)."""
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


@dataclass(frozen=True, eq=False)
class Compared:
    """Flat frames of (height, width), each with the frame behind it (its background).

    Changes are computed at each call, because keeping all of them would take much memory. Each frame is levelled by the
    median of its difference from the background: a large dark animal shifts the frame's own median, but not that one.
    """

    frames: Sequence[Frame] | Flat
    behind: Sequence[Flat]

    @cached_property
    def _levels(self) -> list[np.float32]:
        return [middle(one[::2, ::2] - back[::2, ::2]) for one, back in zip(self.frames, self.behind, strict=True)]

    def frame(self, n: int, rows: slice = slice(None)) -> Flat:
        """Frame `n`, levelled to its background."""
        return np.asarray(self.frames[n][rows] - self._levels[n], np.float32)

    def change(self, n: int, rows: slice = slice(None)) -> Flat:
        """The absolute difference of frame `n` from its background, in grey levels."""
        change = self.frame(n, rows)
        change -= self.behind[n][rows]
        return np.abs(change, out=change)

    def evidence(self, n: int, doubt: float) -> Flat:
        """The evidence that a change is in frame `n` itself: the change minus `doubt` times the spread of the others.

        Where an animal stood in several frames, their median shows it, and a frame without the animal differs there (a
        ghost). At such a place, and in swaying grass, the other frames differ from each other. In a long burst the
        median change measures the spread.
        """
        if len(self.frames) < 3:
            return self.change(n)
        if len(self.frames) > LONG_BURST:
            return np.asarray(np.maximum(self.change(n) - doubt * self._usual_change, 0), np.float32)
        return _beyond(self._all[n], [other for m, other in enumerate(self._all) if m != n], doubt)

    @cached_property
    def _all(self) -> list[Flat]:
        return [self.frame(n) for n in range(len(self.frames))]

    @cached_property
    def _usual_change(self) -> Flat:
        found = np.empty(self.frames[0].shape, np.float32)
        for rows in blocks(self.frames):
            found[rows] = _middle_of([self.change(n, rows) for n in range(len(self.frames))])
        return found


def _beyond(frame: Flat, others: list[Flat], doubt: float) -> Flat:
    """The difference of a frame from the others' median, minus `doubt` times the spread of the others; at least 0."""
    count, inner = len(others), int(len(others) > 3)
    low, high, least, most = (count - 1) // 2, count // 2, inner, count - 1 - inner
    ordered = in_order(others, (low, high, least, most))
    middle_one = (ordered[low] + ordered[high]) / 2
    disagreement = (ordered[most] - ordered[least]) / 2
    return np.asarray(np.maximum(np.abs(frame - middle_one) - doubt * disagreement, 0), np.float32)


def noise_threshold(change: Flat, least: float, sds: float, noise_sds: float) -> float:
    """The change in grey levels above which a pixel has changed by more than noise: the largest of three thresholds.

    Args:
        change: the absolute difference of each pixel.
        least: the first threshold, a constant.
        sds: the second threshold: mean change plus this many standard deviations.
        noise_sds: the third threshold: this many robust standard deviations of all changes.
    """
    least = max(least, float(change.mean() + sds * change.std()))
    noise, some = noise_sds * 1.4826, change[::2, ::2]
    if np.count_nonzero(some * noise < least) * 2 > some.size:
        return least  # more than half of the changes are below it, so the median cannot exceed it
    return max(least, noise * float(middle(some)))


@dataclass(frozen=True, eq=False)
class Patches:
    """The patches of one frame: groups of adjoining cells with changed pixels.

    `labels` (rows, columns of cells) gives each cell's patch, 0 for none. `pixels` (number of changed pixels) and
    `strength` (sum of their evidence) are indexed by label.
    """

    labels: Labels
    pixels: NDArray[np.float64]
    strength: NDArray[np.float64]

    @property
    def strongest(self) -> int:
        """The label of the patch with most evidence; 0 without a patch."""
        return int(np.argmax(self.strength))

    @property
    def share(self) -> float:
        """The strongest patch's share of the evidence of all patches, in [0, 1]."""
        total = float(self.strength.sum())
        return float(self.strength.max()) / total if total > 0 else 0.0


def patches(changed: Mask, proof: Flat) -> Patches:
    """The patches of a frame.

    Args:
        changed: which pixels changed, bool (height, width).
        proof: the evidence of each pixel, float32 (height, width).
    """
    counts = _per_cell(changed.astype(np.float32))
    labels = _connected(counts >= CELL_PIXELS)
    weights = _per_cell(changed * proof)
    pixels = np.bincount(labels.ravel(), counts.ravel()).astype(np.float64)
    strength = np.bincount(labels.ravel(), weights.ravel()).astype(np.float64)
    pixels[0] = strength[0] = 0
    return Patches(labels, pixels, strength)


def animal(found: Patches, shape: tuple[int, ...]) -> Mask:
    """A mask (height, width) of the strongest patch, the patches near it (`NEAR`, `FAINT`) and its rivals (`RIVAL`)."""
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
    """The number of cells between two extents, down or across, whichever is larger."""
    return max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3], 0)


def _per_cell(values: Flat) -> Flat:
    """Sums over cells of CELL_PX x CELL_PX pixels; cells at the right and lower edge may be smaller."""
    height, width = (-(-side // CELL_PX) * CELL_PX for side in values.shape)
    if (height, width) != values.shape:
        whole = np.zeros((height, width), np.float32)
        whole[: values.shape[0], : values.shape[1]] = values
        values = whole
    rows: Flat = functools.reduce(np.add, (values[n::CELL_PX] for n in range(CELL_PX)))
    cells: Flat = functools.reduce(np.add, (rows[:, n::CELL_PX] for n in range(CELL_PX)))
    return cells


def _connected(active: Mask) -> Labels:
    """Labels of connected active cells (also over corners), numbered from 1; other cells are 0."""
    edges = np.diff(np.pad(active.astype(np.int8), ((0, 0), (1, 1))))
    rows, starts = (found.tolist() for found in np.nonzero(edges == 1))
    ends = np.nonzero(edges == -1)[1].tolist()
    parents = _joined(list(zip(rows, starts, ends, strict=True)))
    numbers = {root: number for number, root in enumerate(dict.fromkeys(parents), start=1)}
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    labels = np.zeros(active.shape, dtype=np.intp)
    labels[active] = np.repeat(np.array([numbers[root] for root in parents], np.intp), lengths)
    return labels


def _joined(runs: list[tuple[int, int, int]]) -> list[int]:
    """For each run of cells (row, start, end), in reading order, the index of the first run connected with it."""
    parents = list(range(len(runs)))

    def first(n: int) -> int:
        while parents[n] != n:
            parents[n] = n = parents[parents[n]]
        return n

    above = 0
    for n, (row, start, end) in enumerate(runs):
        while runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] < start):
            above += 1
        other = above
        while runs[other][0] == row - 1 and runs[other][1] <= end:
            one, two = sorted((first(other), first(n)))
            parents[two] = one
            other += 1
    return [first(n) for n in range(len(runs))]
