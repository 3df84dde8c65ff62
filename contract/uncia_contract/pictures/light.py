"""Tells the light of a picture: daylight, or the camera's infrared flash.

Only the colour decides, because camera times are often wrong: an infrared picture is grey. The top and the bottom are
ignored, because burnt-in strips can be coloured. Infrared pictures of a camera that tints them count as day.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Light = Literal["day", "infrared"]

# In an infrared picture, the channels of nine in ten pixels differ by at most this. Measured on 244 camera-trap and web
# pictures: at most 3 in infrared pictures, at least 14 in colour pictures.
MOST_GREY = 8
_TOP, _BOTTOM = 0.05, 0.08


def light_of(picture: NDArray[np.uint8]) -> Light:
    """The light of a uint8 (height, width, 3) RGB picture; a thumbnail is enough."""
    height = len(picture)
    scene = picture[int(height * _TOP) : max(1, height - int(height * _BOTTOM))]
    spread = scene.max(axis=2).astype(np.int16) - scene.min(axis=2)
    return "infrared" if np.percentile(spread, 90) <= MOST_GREY else "day"
