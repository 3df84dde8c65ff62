"""What must be known of every picture before anything is learnt: its content, near-duplicates, and light."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import FrameError
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.duplicates import difference_hash, duplicate_groups
from uncia_training.datasets.region_looks import PictureFailure, read_picture
from uncia_training.parallel import in_parallel

SIZE = (224, 224)


@dataclass(frozen=True, eq=False)
class Survey:
    """The readable pictures, in the data set's order, with what was seen of each; and those that are not readable."""

    pictures: tuple[LabelledPicture, ...]
    contents: tuple[str, ...]
    duplicates: tuple[int, ...]
    lights: tuple[Light, ...]
    failures: tuple[PictureFailure, ...]


def survey(
    pictures: Sequence[LabelledPicture], workers: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Survey:
    """Looks at every picture once."""
    seen: dict[int, tuple[str, NDArray[np.bool_], Light]] = {}
    failures: dict[int, PictureFailure] = {}
    for done, (number, result) in enumerate(in_parallel(_look, enumerate(pictures), workers), start=1):
        if isinstance(result, PictureFailure):
            failures[number] = result
        else:
            seen[number] = result
        progress(done, len(pictures))
    numbers = sorted(seen)
    return Survey(
        pictures=tuple(pictures[number] for number in numbers),
        contents=tuple(seen[number][0] for number in numbers),
        duplicates=tuple(duplicate_groups([seen[number][1] for number in numbers])) if numbers else (),
        lights=tuple(seen[number][2] for number in numbers),
        failures=tuple(failures[number] for number in sorted(failures)),
    )


def _look(pair: tuple[int, LabelledPicture]) -> tuple[int, Any]:
    number, picture = pair
    try:
        content = read_picture(picture)
        image = model_input(content, SIZE)
    except FrameError as error:
        return number, PictureFailure(picture.file, str(error))
    return number, (hashlib.sha256(content).hexdigest(), difference_hash(image), light_of(image))
