"""One fit of the comparison: choose the penalty on the training side, fit, and score the side that was held out.

Decides nothing about the data: it is handed rows and sides. The penalty is chosen anew within each training side, by
grouped cross-validation (`selection.choose`), from one grid for all systems. Where a class has one unit only on the
training side, the inner folds go by sequence, or by picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.heads import LogisticHead
from uncia_contract.runs.labels import sequence_key
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.coordinates import MOST_ROWS, coordinates
from uncia_training.fitting.logistic import to_head
from uncia_training.fitting.selection import (
    Choice,
    Samples,
    StreamedSamples,
    assign_folds,
    choose,
    fit_all,
    probabilities,
)
from uncia_training.fitting.thresholds import Threshold, choose_threshold

# For 1,280 features; the strength is scaled by the number of features, so that logits keep their size.
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
PATIENCE = 1
REFERENCE_FEATURES = 1280
INNER_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Rows:
    """What a fit learns from: `stored` (crops * augmentations, features), of each crop the plain picture first.

    `keys` name the stored rows by content; `labels`, `units` are those of the crops; `picture` is the number of the
    picture that a crop is of; `scored` marks the one crop of each picture that counts.
    """

    stored: StoredRows
    keys: tuple[str, ...]
    augmentations: int
    crops: tuple[Crop, ...]
    labels: NDArray[np.intp]
    units: NDArray[np.str_]
    picture: NDArray[np.intp]
    scored: NDArray[np.bool_]

    def of(self, crops: NDArray[np.bool_] | NDArray[np.intp]) -> "Rows":
        """Some of the crops, by mask or number, with all their augmentations."""
        chosen = np.flatnonzero(crops) if crops.dtype == bool else crops
        places = (chosen[:, np.newaxis] * self.augmentations + np.arange(self.augmentations)).reshape(-1)
        return replace(
            self,
            stored=self.stored.take(places),
            keys=tuple(self.keys[place] for place in places),
            crops=tuple(self.crops[number] for number in chosen),
            labels=self.labels[chosen],
            units=self.units[chosen],
            picture=self.picture[chosen],
            scored=self.scored[chosen],
        )

    @property
    def learnt(self) -> NDArray[np.bool_]:
        """Whether a fit may learn from each crop."""
        return np.array([crop.learnt for crop in self.crops])

    @property
    def plain(self) -> StoredRows:
        """The plain picture of each crop."""
        return self.stored.take(np.arange(len(self.crops)) * self.augmentations)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a fit is made: the seed of its inner folds, and the shares of the classes in the field (None: equal)."""

    seed: int
    prior: NDArray[np.float64] | None = None
    strengths: Sequence[float] = STRENGTHS

    def scaled(self, features: int) -> list[float]:
        """The strengths for that many features."""
        return [strength * REFERENCE_FEATURES / features for strength in self.strengths]


@dataclass(frozen=True, eq=False)
class FoldScores:
    """What one fit gave: calibrated probabilities (pictures held out, classes), the pictures' numbers, the chosen C.

    `thresholds` are those that the training side chose for means and for highest frames, None where it could not;
    `head` is the fit itself where a bundle can carry it.
    """

    probabilities: NDArray[np.float64]
    pictures: NDArray[np.intp]
    c: float
    thresholds: tuple[float | None, float | None]
    head: LogisticHead | None = None


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A head for bundles, and how it came about."""

    head: LogisticHead
    trials: tuple[Choice, ...]
    thresholds: tuple[Threshold, Threshold]
    logit_range: tuple[float, float]


def score_held_out(train: Rows, held_out: Rows, recipe: Recipe) -> FoldScores:
    """Fits on the training crops and scores the held-out ones, in float."""
    samples, others = _samples(train, held_out.plain, recipe)
    best = _choose(samples, train, recipe)[0]
    model = fit_all(samples, best.c)
    found = thresholds(train, best)
    values = found[0].value if found[0].recall is not None else None, found[1].value if found[1].recall else None
    return FoldScores(probabilities(model.logits(others), best.calibration), held_out.picture, best.c, values)


def fit_head(train: Rows, recipe: Recipe) -> HeadFit:
    """Fits a head on features as they are, so that a bundle can carry it."""
    features = train.stored.load().reshape(len(train.labels), train.augmentations, -1)
    samples = _whole(train, features, recipe, scale_features=True)
    trials = _choose(samples, train, recipe)
    head = to_head(fit_all(samples, trials[0].c), trials[0].calibration)
    weights, bias = head.folded()
    logits = features.reshape(-1, features.shape[2]) @ weights.T + bias
    return HeadFit(head, trials, thresholds(train, trials[0]), (float(logits.min()), float(logits.max())))


def thresholds(train: Rows, best: Choice) -> tuple[Threshold, Threshold]:
    """The thresholds that the training side's own held-out crops choose: for means, and for highest frames."""
    chances = (1 - probabilities(best.logits, best.calibration)[:, 0]).tolist()
    truth = (train.labels > 0).tolist()
    return (
        choose_threshold(train.crops, chances, truth, how="mean"),
        choose_threshold(train.crops, chances, truth, how="max"),
    )


def _choose(samples: Samples, train: Rows, recipe: Recipe) -> tuple[Choice, ...]:
    folds = assign_folds(train.labels, _groups(train), samples.sources, INNER_FOLDS, recipe.seed)
    return choose(samples, folds, recipe.scaled(train.stored.shape[1]), PATIENCE)


def _groups(train: Rows) -> list[str]:
    """What the inner folds keep together: units; where a class has only one here, sequences; else pictures."""
    pictures = [str(number) for number in train.picture]
    sequences = ["\0".join(sequence_key(crop.picture)) for crop in train.crops]
    for names in (train.units.tolist(), sequences):
        classes = (
            {name for name, own in zip(names, train.labels, strict=True) if own == label} for label in set(train.labels)
        )
        if all(len(own) > 1 for own in classes):
            return names
    return pictures


def _samples(train: Rows, plain: StoredRows, recipe: Recipe) -> tuple[Samples, NDArray[np.float32] | StoredRows]:
    if len(train.stored.numbers) > MOST_ROWS and train.stored.shape[1] > MOST_ROWS:
        empty = np.empty((0, train.augmentations, 0), np.float32)
        whole = _whole(train, empty, recipe, scale_features=True)
        fields = {name: getattr(whole, name) for name in whole.__dataclass_fields__}
        return StreamedSamples(**fields, stored=train.stored), plain
    own, others = coordinates(train.stored, plain)
    return _whole(train, own.reshape(len(train.labels), train.augmentations, -1), recipe, scale_features=False), others


def _whole(train: Rows, features: NDArray[np.float32], recipe: Recipe, scale_features: bool) -> Samples:
    return Samples(
        features=features,
        labels=train.labels,
        groups=train.units.tolist(),
        sources=["one"] * len(train.labels),
        augmentation_weights=np.full(train.augmentations, 1 / train.augmentations),
        scale_features=scale_features,
        prior=recipe.prior,
    )
