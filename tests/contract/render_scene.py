"""Renders tests/contract/scene.jpg: a picture of the project's own, for golden tests. Run it by hand."""

from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    """Writes the scene, 1600 x 1200, seeded."""
    chance = np.random.default_rng(1)
    rows, columns = np.mgrid[0:1200, 0:1600]
    noise = Image.fromarray(chance.integers(0, 255, (75, 100), dtype=np.uint8)).resize((1600, 1200), Image.BICUBIC)
    ground = np.stack([rows / 6, columns / 8, np.asarray(noise)], axis=2)
    blob = np.exp(-((rows - 600) ** 2 + (columns - 1000) ** 2) / 40000.0)[..., np.newaxis]
    scene = np.clip(ground * (1 - blob) + blob * [240, 230, 200], 0, 255).astype(np.uint8)
    Image.fromarray(scene).save(Path(__file__).parent / "scene.jpg", quality=70, subsampling=2)


if __name__ == "__main__":
    main()
