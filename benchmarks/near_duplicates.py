"""What finding near-duplicates costs, from 10,000 to 200,000 pictures: CPU seconds, for hashes alone.

    python benchmarks/near_duplicates.py

Two collections of each size: pictures of which one in five resembles another, and the frames of 50 traps that stand
still, where thousands of frames resemble each other.
"""

import time

import numpy as np
from numpy.typing import NDArray

from uncia_training.datasets.duplicates import duplicate_groups

SIZES = (10_000, 50_000, 200_000)
FLIPPED = (0.0, 0.01, 0.03, 0.08)


def hashes(pictures: int, scenes: int, chance: np.random.Generator) -> NDArray[np.bool_]:
    """64 bits a picture: its scene's, some of them flipped."""
    base = chance.random((scenes, 64)) < 0.5
    flips = chance.random((pictures, 64)) < chance.choice(FLIPPED, (pictures, 1))
    return base[chance.integers(0, scenes, pictures)] ^ flips


def main() -> None:
    """Prints a line for each size and collection."""
    chance = np.random.default_rng(0)
    for pictures in SIZES:
        for name, scenes in (("few alike", pictures * 4 // 5), ("50 scenes", 50)):
            made = list(hashes(pictures, scenes, chance))
            before = time.process_time()
            groups = duplicate_groups(made)
            spent = time.process_time() - before
            print(f"{pictures} pictures, {name}: {spent:.2f} CPU seconds, {len(set(groups))} groups")


if __name__ == "__main__":
    main()
