"""A trap's own view without an animal, in each light: what a burst of one or two frames is compared with.

Decides what a background is, when it is known, and how it follows the seasons and a camera that was moved; keeping it
(in memory, on the card) belongs to the trap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.frame_differences import median_frame
from uncia_contract.errors import BundleError, StorageError
from uncia_contract.npz import read_arrays, write_arrays
from uncia_contract.pictures.light import Light

Grey: TypeAlias = NDArray[np.uint8]
Key: TypeAlias = tuple[Light, tuple[int, ...]]

KEPT = 5  # bursts: an animal that rests through two of five is voted out
KNOWN = 3  # bursts from which on there is a vote: one burst's median may be an animal's portrait


@dataclass(frozen=True, eq=False)
class Background:
    """The last bursts' medians by light and thumbnail shape; a value, never changed in place."""

    medians: MappingProxyType[Key, tuple[Grey, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def updated(self, thumbnails: Sequence[Grey], light: Light) -> "Background":
        """This background after one more burst; its oldest burst of that light and shape is forgotten.

        Args:
            thumbnails: the burst's grey thumbnails, uint8 (height, width); frames of another shape than the first are
                left out, and no frames change nothing.
            light: in which they were taken.
        """
        if not thumbnails:
            return self
        shape = thumbnails[0].shape
        alike = np.stack([frame for frame in thumbnails if frame.shape == shape]).astype(np.float32)
        key = (light, shape)
        kept = (*self.medians.get(key, ()), median_frame(alike).astype(np.uint8))[-KEPT:]
        return Background(MappingProxyType({**self.medians, key: kept}))

    def seen(self, shape: tuple[int, ...], light: Light) -> Grey | None:
        """What the trap sees in that light when nothing is there: uint8 of that shape; None while unknown."""
        medians = self.medians.get((light, shape), ())
        return median_view(medians) if len(medians) >= KNOWN else None


def median_view(views: Sequence[Grey]) -> Grey:
    """The median of views of one shape: uint8 (height, width).

    Each is taken at the brightness of the last, so that dusk does not pick one view for the bright parts and another
    for the dark ones.
    """
    level = np.float32(np.median(views[-1]))
    level_each = [view.astype(np.float32) - np.float32(np.median(view)) + level for view in views]
    seen: Grey = median_frame(np.stack(level_each)).clip(0, 255).astype(np.uint8)
    return seen


def background_to_bytes(background: Background) -> bytes:
    """For keeping; equal backgrounds give equal bytes."""
    arrays = {f"{key[0]}-{n}": np.stack(medians) for n, (key, medians) in enumerate(background.medians.items())}
    return write_arrays(arrays, compress=True)


def background_from_bytes(data: bytes) -> Background:
    """The background that was kept.

    Raises:
        StorageError: damaged.
    """
    try:
        arrays = read_arrays(data, "background")
    except BundleError as error:
        raise StorageError(str(error)) from error
    medians: dict[Key, tuple[Grey, ...]] = {}
    for name, stack in arrays.items():
        light = next((light for light in get_args(Light) if name.startswith(f"{light}-")), None)
        if light is None or stack.dtype != np.uint8 or stack.ndim != 3:
            raise StorageError(
                f"background: {name} holds {stack.dtype} {stack.shape}, expected uint8 medians of a light"
            )
        medians[light, stack.shape[1:]] = tuple(stack[-KEPT:])
    return Background(MappingProxyType(medians))
