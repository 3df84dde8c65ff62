"""Where a frame differs from what is behind it, and where that is more than noise.

Decides the arithmetic on small grey frames: brightness and exposure taken out, the background of a burst, the changed
pixels, the patches they form. What becomes of them is decided in `regions`.

All frames here are float32 (height, width) in grey levels about the frame's own median ("flat").
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

CELL_PX = 4  # patches are sought on cells of this side: what lies closer than a cell belongs together
CELL_PIXELS = 3  # changed pixels that make a cell count; lone ones are noise
NEAR = 0.5  # a patch within this many sides of the strongest belongs to it (a head apart from its body)
FAINT = 0.05  # ... if it has this share of the strongest one's evidence
RIVAL = 0.7  # a patch with this share of it is kept wherever it lies (a second animal)
BLOCK_PIXELS = 80 * 1024  # of all frames together: with what is made of them, they stay in a core's cache
LONG_BURST = 6  # frames beyond which an animal hardly lies in half of them, so that the plain median serves


def middle(values: Flat) -> np.float32:
    """The median of float32 values of any shape, equal to `np.median` to the bit; that takes two passes.

    Still pixels differ by nothing: where one value is the middle of many, counting finds it ten times faster.
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
    """A flat frame in half the memory: parts become float32 when they are asked for (`[rows]`, `[:]`, `[::4, ::4]`).

    `pixels` are 256 times the smoothed grey levels, which is exact; `level` is the frame's median.
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
    """Smoothed by a 5 x 5 binomial kernel, edges repeated, minus the median of the frame as it was.

    The arithmetic is exact, in the sixteen bits that a smoothed byte needs: brightness cancels to the last bit.
    """
    level = middle(frame[::2, ::2].astype(np.float32))
    if frame.dtype == np.uint8:
        return Fine(smoothed(frame.astype(np.uint16)), level)
    return np.asarray(smoothed(frame - level) / 256, dtype=np.float32)


def smoothed(frame: NDArray[Any]) -> NDArray[Any]:
    """256 times the frame under the kernel, of its own type."""
    height, width = frame.shape
    padded = np.empty((height + 4, width), frame.dtype)
    padded[2:-2], padded[:2], padded[-2:] = frame, frame[0], frame[-1]
    rows = np.empty((height, width + 4), frame.dtype)
    rows[:, 2:-2] = padded[:-4] + padded[4:] + 4 * (padded[1:-3] + padded[3:-1]) + 6 * padded[2:-2]
    rows[:, :2], rows[:, -2:] = rows[:, 2:3], rows[:, -3:-2]
    both: NDArray[Any] = rows[:, :-4] + rows[:, 4:] + 4 * (rows[:, 1:-3] + rows[:, 3:-1]) + 6 * rows[:, 2:-2]
    return both


def evenly_exposed(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The flat frames of one view, with a flash that fired weaker or stronger made good.

    Only clear differences of contrast (more than 15 %) are touched, and only where that brings a frame nearer to the
    burst's median: another slant of light is not another exposure. An animal hardly moves a median.
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
    """The rows of frames of one shape, a few at a time."""
    height, width = frames[0].shape
    step = max(1, BLOCK_PIXELS // (len(frames) * width))
    return (slice(row, row + step) for row in range(0, height, step))


def _middle_of(frames: Sequence[Flat]) -> Flat:
    low, high = (len(frames) - 1) // 2, len(frames) // 2
    ordered = in_order(frames, (low, high))
    return ordered[low] if low == high else np.asarray((ordered[low] + ordered[high]) / 2, np.float32)


def in_order(frames: Sequence[Flat] | Flat, ranks: tuple[int, ...] | None = None) -> list[Flat]:
    """Frames, each pixel of them from the least to the greatest; `np.sort` is slow along short axes.

    Args:
        frames: of one shape.
        ranks: which of the result are wanted, the others mean nothing; all where None.
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
    """The exchanges on which some ranks depend, and whether the lesser and the greater of each pair count."""
    wanted, found = set(ranks), []
    for low, high in reversed(exchanges(count)):
        if low in wanted or high in wanted:
            found.append((low, high, low in wanted, high in wanted))
            wanted |= {low, high}
    return tuple(reversed(found))


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


@dataclass(frozen=True, eq=False)
class Compared:
    """Flat frames of (height, width), each with what is behind it; changes are made anew when asked for: they are many.

    A large dark animal moves the frame's own median; that of the difference still is the ground's.
    """

    frames: Sequence[Frame] | Flat
    behind: Sequence[Flat]

    @cached_property
    def _levels(self) -> list[np.float32]:
        return [middle(one[::2, ::2] - back[::2, ::2]) for one, back in zip(self.frames, self.behind, strict=True)]

    def frame(self, n: int, rows: slice = slice(None)) -> Flat:
        """That frame at its background's level."""
        return np.asarray(self.frames[n][rows] - self._levels[n], np.float32)

    def change(self, n: int, rows: slice = slice(None)) -> Flat:
        """By how much it differs from what is behind it."""
        change = self.frame(n, rows)
        change -= self.behind[n][rows]
        return np.abs(change, out=change)

    def evidence(self, n: int, doubt: float) -> Flat:
        """How much that change belongs to its own frame: its size less `doubt` times the disagreement of the others.

        Where an animal stood in several frames their median holds it, and a frame without it shows its ghost; the
        others, with a walking animal, disagree there. So do they in swaying grass. In a long burst the median deviation
        serves.
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
    """By how much a frame differs from the others' middle, less their disagreement."""
    count, inner = len(others), int(len(others) > 3)
    low, high, least, most = (count - 1) // 2, count // 2, inner, count - 1 - inner
    ordered = in_order(others, (low, high, least, most))
    middle_one = (ordered[low] + ordered[high]) / 2
    disagreement = (ordered[most] - ordered[least]) / 2
    return np.asarray(np.maximum(np.abs(frame - middle_one) - doubt * disagreement, 0), np.float32)


def noise_threshold(change: Flat, least: float, sds: float, noise_sds: float) -> float:
    """The change in grey levels that is more than a frame's noise; the largest of three.

    Args:
        change: by how much each pixel differs, at least 0.
        least: never less than this.
        sds: standard deviations above the mean change.
        noise_sds: robust standard deviations of all changes.
    """
    least = max(least, float(change.mean() + sds * change.std()))
    noise, some = noise_sds * 1.4826, change[::2, ::2]
    if np.count_nonzero(some * noise < least) * 2 > some.size:
        return least  # their median is below it, and need not be known
    return max(least, noise * float(middle(some)))


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
    weights = _per_cell(changed * proof)
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
    height, width = (-(-side // CELL_PX) * CELL_PX for side in values.shape)
    if (height, width) != values.shape:
        whole = np.zeros((height, width), np.float32)
        whole[: values.shape[0], : values.shape[1]] = values
        values = whole
    rows: Flat = functools.reduce(np.add, (values[n::CELL_PX] for n in range(CELL_PX)))
    cells: Flat = functools.reduce(np.add, (rows[:, n::CELL_PX] for n in range(CELL_PX)))
    return cells


def _connected(active: Mask) -> Labels:
    """Active cells that touch, corners included, share a number from 1; the others are 0."""
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
    """For each run of cells (row, start, end), in reading order, the first of those with which it hangs together."""
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
