"""One fit of the comparison: chooses the penalty on the training side, fits, and scores the held-out side.

The caller decides the data and the recipe (`head_fit`); this module decides whether wide features become coordinates or
are streamed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.heads import LogisticHead
from uncia_training.comparison.coordinates import MOST_ROWS, coordinates
from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.head_fit import Recipe, Rows, samples_of, thresholds
from uncia_training.fitting.selection import Samples, StreamedSamples, fit_all, probabilities


@dataclass(frozen=True, eq=False)
class FoldScores:
    """The result of one fit: calibrated probabilities (held-out pictures, classes), their numbers, the chosen C.

    `thresholds` are those that the training side chose for means and for highest frames, None if it had too few
    positive sequences; `head` is the fit itself if a bundle can contain it.
    """

    probabilities: NDArray[np.float64]
    pictures: NDArray[np.intp]
    c: float
    thresholds: tuple[float | None, float | None]
    head: LogisticHead | None = None


def score_held_out(train: Rows, held_out: Rows, recipe: Recipe) -> FoldScores:
    """Fits on the training crops and scores the held-out crops, in float."""
    samples, others = _samples(train, held_out.plain, recipe)
    best = recipe.choose(samples, train)[0]
    model = fit_all(samples, best.c)
    found = thresholds(train, best)
    values = found[0].value if found[0].recall is not None else None, found[1].value if found[1].recall else None
    return FoldScores(probabilities(model.logits(others), best.calibration), held_out.picture, best.c, values)


def _samples(train: Rows, plain: StoredRows, recipe: Recipe) -> tuple[Samples, NDArray[np.float32] | StoredRows]:
    if len(train.stored.numbers) > MOST_ROWS and train.stored.shape[1] > MOST_ROWS:
        empty = np.empty((0, train.augmentations, 0), np.float32)
        whole = samples_of(train, empty, recipe, scale_features=True)
        fields = {name: getattr(whole, name) for name in whole.__dataclass_fields__}
        return StreamedSamples(**fields, stored=train.stored), plain
    own, others = coordinates(train.stored, plain)
    return samples_of(
        train, own.reshape(len(train.labels), train.augmentations, -1), recipe, scale_features=False
    ), others
