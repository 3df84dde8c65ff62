"""One system on one fold: choose the penalty on the training side, fit, and score the side that was held out.

Decides nothing about the data: it is handed rows and sides. The penalty is chosen anew within each training side, by
grouped cross-validation (`selection.choose`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_training.coordinates import MOST_ROWS, coordinates
from uncia_training.feature_store import StoredRows
from uncia_training.selection import Samples, StreamedSamples, assign_folds, choose, fit_all, probabilities

# For 1,280 features; the strength is scaled by the number of features, so that logits keep their size.
STRENGTHS = (0.0001, 0.001, 0.01, 0.1)
TRAP_STRENGTHS = (0.0003, 0.001, 0.003, 0.01)
REFERENCE_FEATURES = 1280
INNER_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Rows:
    """What a system looks at, `views` rows a look, the plain view first: `stored` (looks * views, features).

    `labels`, `units` are those of the looks; `picture` is the number of the picture that a look is of; `scored` marks
    the one look of each picture that counts.
    """

    stored: StoredRows
    views: int
    labels: NDArray[np.intp]
    units: NDArray[np.str_]
    picture: NDArray[np.intp]
    scored: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Held:
    """Calibrated probabilities (pictures held out, classes), the pictures' numbers, and the chosen C."""

    probabilities: NDArray[np.float64]
    pictures: NDArray[np.intp]
    c: float


def score_held_out(
    rows: Rows, train: NDArray[np.bool_], held_out: NDArray[np.bool_], seed: int, strengths: Sequence[float] = STRENGTHS
) -> Held:
    """Fits on the looks of one side and scores the scored looks of the other; masks over looks."""
    asked = np.flatnonzero(held_out & rows.scored)
    fit_rows = rows.stored.take(np.repeat(train, rows.views))
    plain = rows.stored.take(asked * rows.views)
    samples, others = _samples(rows, train, fit_rows, plain)
    units = samples.groups
    folds = assign_folds(samples.labels, units, ["one"] * len(units), INNER_FOLDS, seed)
    scaled = [strength * REFERENCE_FEATURES / rows.stored.shape[1] for strength in strengths]
    best = choose(samples, folds, scaled)[0]
    model = fit_all(samples, best.c)
    return Held(probabilities(model.logits(others), best.calibration), rows.picture[asked], best.c)


def _samples(
    rows: Rows, train: NDArray[np.bool_], fit_rows: StoredRows, plain: StoredRows
) -> tuple[Samples, NDArray[np.float32] | StoredRows]:
    labels, units = rows.labels[train], rows.units[train].tolist()
    weights = np.full(rows.views, 1 / rows.views)
    sources = ["one"] * len(labels)
    if len(fit_rows.numbers) > MOST_ROWS and fit_rows.shape[1] > MOST_ROWS:
        empty = np.empty((0, rows.views, 0), np.float32)
        return StreamedSamples(empty, labels, units, sources, weights, stored=fit_rows), plain
    own, others = coordinates(fit_rows, plain)
    shaped = own.reshape(len(labels), rows.views, -1)
    return Samples(shaped, labels, units, sources, weights, scale_features=False), others
