"""Features of many pictures on all cores: the trap's preprocessing and interpreter, one of each a thread.

Decides how decoding and inference share the cores; what is looked at is decided in `pictures`.
"""

import os
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import FrameError
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.datasets.region_looks import Look, PictureFailure, read_picture
from uncia_training.features.augmentation import Image8
from uncia_training.parallel import parallel_map

Features = NDArray[np.float32]
MakeViews = Callable[[Image8, int], Sequence[Image8]]


class Featurizer:
    """Runs one int8 backbone in several threads, each with its own interpreter."""

    def __init__(self, model: bytes, workers: int | None = None) -> None:
        self._model = model
        self.workers = workers or os.cpu_count() or 1
        self._local = threading.local()
        self.size = self._interpreter().size

    def features(
        self,
        looks: Sequence[Look],
        make_views: MakeViews = lambda image, seed: [image],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Features, list[int], list[PictureFailure]]:
        """Features of every view of every look.

        Args:
            looks: what to look at.
            make_views: the views of one model input, given it and the look's number; all looks have equally many.
            progress: told how many of how many looks are done.

        Returns:
            float32 (looks that could be used, views, features), their numbers, and what failed.
        """
        rows: list[Features] = []
        numbers: list[int] = []
        failures: list[PictureFailure] = []
        work = parallel_map(lambda pair: self._of(pair[1], pair[0], make_views), enumerate(looks), self.workers)
        for number, result in enumerate(work):
            if isinstance(result, PictureFailure):
                failures.append(result)
            else:
                rows.append(result)
                numbers.append(number)
            progress(number + 1, len(looks))
        return (np.stack(rows) if rows else np.empty((0, 0, 0), np.float32)), numbers, failures

    def _of(self, look: Look, number: int, make_views: MakeViews) -> Features | PictureFailure:
        try:
            image = model_input(read_picture(look.picture), self.size, look.region)
        except FrameError as error:
            return PictureFailure(look.picture.file, str(error))
        interpreter = self._interpreter()
        outputs = interpreter.outputs[:1]
        return np.stack([interpreter.run(view, outputs)[0].reshape(-1) for view in make_views(image, number)])

    def _interpreter(self) -> Interpreter:
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = Interpreter(self._model, threads=1)
        interpreter: Interpreter = self._local.interpreter
        return interpreter
