"""What must be known of every picture before anything is learnt: its content, near-duplicates, and light."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import FrameError
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.pictures import PictureFailure, read_picture
from uncia_training.datasets.similar_hashes import miniature
from uncia_training.parallel import parallel_map

SIZE = (224, 224)


@dataclass(frozen=True, eq=False)
class Inspection:
    """The readable pictures, in the data set's order, with what was found for each; and those that are not readable."""

    pictures: tuple[LabelledPicture, ...]
    contents: tuple[str, ...]
    duplicates: tuple[int, ...]
    lights: tuple[Light, ...]
    failures: tuple[PictureFailure, ...]


def inspect_pictures(
    pictures: Sequence[LabelledPicture], workers: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Inspection:
    """Reads every picture once."""
    readable: list[LabelledPicture] = []
    seen: list[tuple[str, NDArray[np.uint8], Light]] = []
    failures: list[PictureFailure] = []
    results = parallel_map(_inspect, pictures, workers)
    for done, (picture, result) in enumerate(zip(pictures, results, strict=True), start=1):
        if isinstance(result, PictureFailure):
            failures.append(result)
        else:
            readable.append(picture)
            seen.append(result)
        progress(done, len(pictures))
    return Inspection(
        pictures=tuple(readable),
        contents=tuple(content for content, _, _ in seen),
        duplicates=tuple(duplicate_groups([small for _, small, _ in seen])),
        lights=tuple(light for _, _, light in seen),
        failures=tuple(failures),
    )


def _inspect(picture: LabelledPicture) -> tuple[str, NDArray[np.uint8], Light] | PictureFailure:
    try:
        content = read_picture(picture)
        image = model_input(content, SIZE)
    except FrameError as error:
        return PictureFailure(picture.file, str(error))
    return hashlib.sha256(content).hexdigest(), miniature(image), light_of(image)
