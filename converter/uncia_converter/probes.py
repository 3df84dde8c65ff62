"""Probes: rendered inputs with the probabilities they must give, so that a trap can prove its own runtime (DESIGN 4).

Decides which inputs. They show nothing; what counts is that they stir every part of the network, and compress well.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNT = 6


def render_probes(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (6, height, width, 3): smooth seeded colour fields of rising detail, the last two grey as infrared is."""
    chance = np.random.default_rng(seed)
    probes = []
    for number in range(COUNT):
        cells = 3 + 4 * number
        field = chance.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        if number >= COUNT - 2:
            field = np.repeat(field[..., :1], 3, axis=2)
        large = Image.fromarray(field).resize(size, Image.Resampling.BILINEAR)
        probes.append(np.asarray(large) // 4 * 4)  # 64 levels: a quarter of the bytes
    return np.stack(probes)
