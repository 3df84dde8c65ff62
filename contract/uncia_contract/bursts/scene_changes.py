"""Groups the frames of a burst by scene and light: only frames of one group can be compared.

Detects a camera that was pushed, a flash that failed and the switch from day to infrared. Frames are flat (float32
(height, width), see `frame_differences`).
"""

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.frame_differences import Flat, Frame

ALIKE = 0.5  # least correlation of two frames of one scene; with a large animal it is still higher
COARSE = 2  # every second pixel is enough to measure a movement of the camera by 1 % of the frame's width or more
STEP = 4  # every fourth pixel is enough to compare scenes


def scene_groups(frames: Sequence[Frame]) -> list[list[int]]:
    """The frames' indices, grouped by scene, the largest group first; each frame is in one group.

    Args:
        frames: flat, of one shape.
    """
    alike = _correlations(np.stack([frame[::STEP, ::STEP] for frame in frames])) >= ALIKE
    left, found = set(range(len(frames))), []
    while left:
        centre = max(sorted(left), key=lambda n: sum(bool(alike[n, m]) for m in left))
        group = sorted({n for n in left if alike[centre, n]} | {centre})
        found.append(group)
        left -= set(group)
    return found


def _correlations(frames: Flat) -> NDArray[np.float64]:
    """Pearson's correlation of each pair of frames: float64 (frames, frames); 0 for a frame without features."""
    pixels = frames.reshape(len(frames), -1).astype(np.float64)
    pixels -= pixels.mean(axis=1, keepdims=True)
    length = np.sqrt((pixels**2).sum(axis=1))
    pixels /= np.where(length > np.sqrt(pixels.shape[1]), length, np.inf)[:, None]
    found = np.eye(len(frames))
    for n in range(1, len(frames)):
        # Not `@`: its BLAS library starts threads on all cores, and they use processor time while they wait.
        found[n, :n] = found[:n, n] = np.einsum("ij,j->i", pixels[:n], pixels[n])
    return found


class ReferenceFrame:
    """A frame with which others are compared; its spectrum is computed once."""

    def __init__(self, frame: Flat) -> None:
        self.frame = frame
        self.coarse = frame[::COARSE, ::COARSE]

    @cached_property
    def spectrum(self) -> NDArray[Any]:
        """The conjugate of the coarse frame's transform."""
        return np.asarray(np.conj(_spectrum(self.coarse)))


def scene_change(frame: Flat, reference: ReferenceFrame) -> str:
    """Why a frame cannot be compared with the reference: `camera-moved`, `light-changed` or `whole-scene`."""
    return "camera-moved" if camera_moved(frame, reference) else light_or_scene_change(frame, reference)


def light_or_scene_change(frame: Flat, reference: ReferenceFrame) -> str:
    """Why a frame cannot be compared, where the camera did not move: `light-changed` or `whole-scene`."""
    contrast = float(frame.std()) / max(float(reference.frame.std()), 1e-3)
    if not 0.7 < contrast < 1.4 or _is_smooth_change(frame, reference.frame):
        return "light-changed"
    return "whole-scene"


def camera_moved(frame: Flat, reference: ReferenceFrame) -> bool:
    """Whether the camera moved: shifted (by phase correlation), the frame is much more like the reference."""
    coarse = frame[::COARSE, ::COARSE]
    down, across = _shift(coarse, reference)
    if (down, across) == (0, 0):
        return False
    straight = _overlap(coarse, reference.coarse, 0, 0)
    return _overlap(coarse, reference.coarse, down, across) > max(straight + 0.1 * (1 - straight), ALIKE)


def _shift(frame: Flat, reference: ReferenceFrame) -> tuple[int, int]:
    """The shift of the coarse frame from the reference: (pixels down, pixels across)."""
    height, width = (_fast_length(side) for side in frame.shape)
    cross = _spectrum(frame) * reference.spectrum
    # Divided by the square root of the magnitude only: high frequencies of smoothed thumbnails are mostly noise.
    peaks = np.fft.irfft2(cross * (1 / np.sqrt(np.maximum(np.abs(cross), 1e-6))), s=(height, width))
    down, across = np.unravel_index(int(np.argmax(peaks)), peaks.shape)
    return int(down - height * (down > height // 2)), int(across - width * (across > width // 2))


def _spectrum(frame: Flat) -> NDArray[Any]:
    height, width = (_fast_length(side) for side in frame.shape)
    return np.asarray(np.fft.rfft2(frame[:height, :width] * _window(height, width)))


@cache
def _window(height: int, width: int) -> Flat:
    """A Hann window: it fades the edges out, because the transform assumes that the frame repeats."""
    return np.asarray(np.hanning(height)[:, None] * np.hanning(width), dtype=np.float32)


@cache
def _fast_length(most: int) -> int:
    """The largest product of powers of 2, 3 and 5 up to `most`; a transform of a prime length is three times slower."""
    products: Iterator[int] = (2**a * 3**b * 5**c for a in range(11) for b in range(7) for c in range(5))
    return max(length for length in products if length <= most)


def _overlap(frame: Flat, reference: Flat, down: int, across: int) -> float:
    """The correlation of the common part after the shift is undone; 0 where it is less than half of a side."""
    height, width = frame.shape
    if abs(down) * 2 > height or abs(across) * 2 > width:
        return 0.0
    mine = frame[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
    theirs = reference[max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)]
    return _correlation(mine, theirs)


def _correlation(one: Flat, other: Flat) -> float:
    """Pearson's correlation of two frames; 0 where one has no features."""
    first, second = (np.subtract(pixels, pixels.mean(dtype=np.float64), dtype=np.float64) for pixels in (one, other))
    # Not `@`: for vectors of this length its BLAS library starts threads on all cores.
    spread, apart, both = (float((a * b).sum()) for a, b in ((first, first), (second, second), (first, second)))
    return both / (spread * apart) ** 0.5 if min(spread, apart) > one.size else 0.0


def _is_smooth_change(frame: Flat, reference: Flat) -> bool:
    """Whether most of the difference is smooth (light) rather than fine-grained (the ground)."""
    difference = frame - reference
    down, across = max(1, frame.shape[0] // 6), max(1, frame.shape[1] // 8)
    blocks = [
        float(difference[row : row + down, column : column + across].mean())
        for row in range(0, frame.shape[0], down)
        for column in range(0, frame.shape[1], across)
    ]
    return float(np.var(blocks)) > 0.5 * float(np.var(difference))
