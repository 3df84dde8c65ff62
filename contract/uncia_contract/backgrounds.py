"""A trap's own view without an animal, in each light: what a burst of one or two frames is compared with.

Decides what a background is and how it follows the seasons; keeping it (in memory, on disk) belongs to the trap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey: TypeAlias = NDArray[np.uint8]
Key: TypeAlias = tuple[bool, tuple[int, int]]

KEPT = 5  # bursts: an animal that rests through two of five is voted out
COLOURLESS = 12.0  # grey levels; the burnt-in logos of infrared frames cover too little to matter


@dataclass(frozen=True, eq=False)
class Background:
    """The last bursts' medians by light (infrared or not) and thumbnail shape; a value, never changed in place."""

    medians: MappingProxyType[Key, tuple[Grey, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def updated(self, thumbnails: Sequence[Grey], infrared: bool) -> "Background":
        """This background after one more burst; its oldest burst of that light and shape is forgotten.

        Args:
            thumbnails: the burst's grey thumbnails, uint8 (height, width); frames of another shape than the first are
                left out, and no frames change nothing.
            infrared: the light of the burst; `is_infrared` tells it.
        """
        if not thumbnails:
            return self
        shape = thumbnails[0].shape
        median = np.median([frame for frame in thumbnails if frame.shape == shape], axis=0).astype(np.uint8)
        key = (infrared, (shape[0], shape[1]))
        kept = (*self.medians.get(key, ()), median)[-KEPT:]
        return Background(MappingProxyType({**self.medians, key: kept}))

    def seen(self, thumbnail: Grey, infrared: bool) -> Grey | None:
        """What the trap sees in that light when nothing is there, uint8 like the thumbnail; None while unknown.

        Each burst is taken at the brightness of the newest, so that dusk does not pick one burst for the bright parts
        and another for the dark ones.
        """
        medians = self.medians.get((infrared, (thumbnail.shape[0], thumbnail.shape[1])))
        if medians is None:
            return None
        level = float(np.median(medians[-1]))
        level_each = [median.astype(np.float32) - np.float32(np.median(median)) + level for median in medians]
        seen: Grey = np.median(level_each, axis=0).clip(0, 255).astype(np.uint8)
        return seen


def is_infrared(image: Image.Image) -> bool:
    """Whether a picture was taken by infrared light: as good as colourless.

    A grey image (mode L) is. Of an RGB one, the 95th percentile of the difference between a pixel's largest and
    smallest channel, at 64 pixels' width, stays under 12 grey levels (coloured logos are smaller than 5 %).
    """
    if image.mode == "L":
        return True
    small = image.convert("RGB").resize((64, 48), Image.Resampling.BOX, reducing_gap=2.0)
    channels = np.asarray(small, dtype=np.int16)
    return float(np.percentile(channels.max(axis=2) - channels.min(axis=2), 95)) < COLOURLESS
