"""Time of finding copies among 10,000 to 100,000 pictures, and which copies of real pictures are found.

    python benchmarks/near_duplicates.py [--data ../shared/data/labels.csv]

There are two collections of each size: pictures of which one in five resembles another, and frames of 50 fixed traps,
where thousands of frames resemble each other. From the data set, thirty pictures are drawn four times, mirrored, cut by
up to 5 % at each edge, saved again as JPEG and compared with their originals. The pictures of the data set itself that
are called copies are printed, except those within one sequence.
"""

import argparse
import io
import random
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.datasets.reader import read_data
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.similar_hashes import MINIATURE_SIDE, miniature

SIZES = (10_000, 50_000, 100_000)
SIZE = (224, 224)
CUT, DRAWS, DRAWN = 0.05, 4, 30


def rendered(pictures: int, scenes: int, chance: np.random.Generator) -> NDArray[np.uint8]:
    """Small pictures, each of a scene of coarse shapes, with noise and another exposure."""
    coarse = chance.integers(0, 256, (scenes, 12, 12), np.uint8)
    shown = coarse[chance.integers(0, scenes, pictures)].repeat(MINIATURE_SIDE // 12, 1).repeat(MINIATURE_SIDE // 12, 2)
    noise = chance.integers(0, 12, shown.shape, np.uint8)
    return (shown * 0.8 + noise).astype(np.uint8)


def cost() -> None:
    """Print a line for each size and collection."""
    chance = np.random.default_rng(0)
    for pictures in SIZES:
        for name, scenes in (("few alike", pictures * 4 // 5), ("50 scenes", 50)):
            made = list(rendered(pictures, scenes, chance))
            before = time.process_time()
            groups = duplicate_groups(made)
            spent = time.process_time() - before
            print(f"{pictures} pictures, {name}: {spent:.2f} CPU seconds, {len(set(groups))} groups")


def changed(content: bytes, chance: random.Random, kind: str) -> bytes:
    """A mirrored or cut copy of a picture, saved again."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    if kind == "mirrored":
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    else:
        left, top, right, bottom = (chance.uniform(0, CUT) for _ in range(4))
        width, height = picture.size
        picture = picture.crop(
            (int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height))
        )
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def found(data: Path) -> None:
    """Print how many changed copies are found, and which pictures of the data set are called copies."""
    pictures, chance = read_data(data), random.Random(3)
    contents = [picture.path.read_bytes() for picture in pictures]
    small = [miniature(model_input(content, SIZE)) for content in contents]
    for draw in range(DRAWS):
        chosen = chance.sample(range(len(pictures)), DRAWN)
        for kind in ("mirrored", "cut"):
            copies = {n: miniature(model_input(changed(contents[n], chance, kind), SIZE)) for n in chosen}
            count = sum(duplicate_groups([small[n], copy]) == [0, 0] for n, copy in copies.items())
            print(f"draw {draw + 1}: {count} of {DRAWN} {kind} copies found")
    for index, first in enumerate(duplicate_groups(small)):
        one, other = pictures[index], pictures[first]
        if index != first and not (one.sequence and one.sequence == other.sequence):
            print(f"told to be a copy: {one.file} of {other.file}")


def main() -> None:
    """Print the times and the found copies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a data set in which to find copies")
    arguments = parser.parse_args()
    if arguments.data:
        found(arguments.data)
    cost()


if __name__ == "__main__":
    main()
