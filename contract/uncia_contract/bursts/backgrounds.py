"""A trap's background in each light: the view without an animal, with which bursts of one or two frames are compared.

Decides how a background is computed, when it is known, and how it adapts to the seasons and to a camera that was moved.
The trap stores it, in memory and on the card.
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

KEPT = 5  # bursts of a median; an animal that rests during two of five does not show in it
KNOWN = 3  # bursts before a background is known; the median of fewer may show an animal


@dataclass(frozen=True, eq=False)
class Background:
    """The medians of the last bursts, by light and thumbnail shape. Immutable: `updated` returns a new one."""

    medians: MappingProxyType[Key, tuple[Grey, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def updated(self, thumbnails: Sequence[Grey], light: Light) -> "Background":
        """This background with one more burst; the oldest of more than `KEPT` bursts of its light and shape is dropped.

        Args:
            thumbnails: the burst's grey thumbnails, uint8 (height, width). Frames of another shape than the first are
                left out; without thumbnails the background stays as it is.
            light: the light in which they were taken.
        """
        if not thumbnails:
            return self
        shape = thumbnails[0].shape
        alike = np.stack([frame for frame in thumbnails if frame.shape == shape]).astype(np.float32)
        key = (light, shape)
        kept = (*self.medians.get(key, ()), median_frame(alike).astype(np.uint8))[-KEPT:]
        return Background(MappingProxyType({**self.medians, key: kept}))

    def seen(self, shape: tuple[int, ...], light: Light) -> Grey | None:
        """The view without an animal in that light: uint8 of that shape; None with fewer than `KNOWN` bursts."""
        medians = self.medians.get((light, shape), ())
        return median_view(medians) if len(medians) >= KNOWN else None


def median_view(views: Sequence[Grey]) -> Grey:
    """The median of views of one shape: uint8 (height, width).

    Each view is first brought to the brightness of the last. Otherwise, at dusk, bright and dark parts would come from
    different views.
    """
    level = np.float32(np.median(views[-1]))
    level_each = [view.astype(np.float32) - np.float32(np.median(view)) + level for view in views]
    seen: Grey = median_frame(np.stack(level_each)).clip(0, 255).astype(np.uint8)
    return seen


def background_to_bytes(background: Background) -> bytes:
    """The background as bytes, to be stored; equal backgrounds give equal bytes."""
    arrays = {f"{key[0]}-{n}": np.stack(medians) for n, (key, medians) in enumerate(background.medians.items())}
    return write_arrays(arrays, compress=True)


def background_from_bytes(data: bytes) -> Background:
    """The background in the bytes of `background_to_bytes`.

    Raises:
        StorageError: the bytes are damaged.
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
