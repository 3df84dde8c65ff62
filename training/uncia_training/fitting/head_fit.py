"""Fits heads: `uncia-train fit`, the systems of `compare` and `fit-parquet` all use this code.

Decides the grid of penalties and how one is chosen; the caller gives the rows. The penalty is chosen by grouped
cross-validation within the rows (`selection.choose`). Reasons for this grid and these folds:
docs/decisions/0012-one-trainer.md.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from uncia_contract.errors import DataError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.runs.labels import sequence_key
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.augmentation import AUGMENTATIONS, Augmentation
from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.logistic import Linear, to_head
from uncia_training.fitting.selection import (
    Choice,
    Samples,
    assign_folds,
    choose,
    fit_all,
    probabilities,
)
from uncia_training.fitting.thresholds import USUAL, Aim, Threshold, choose_threshold
from uncia_training.parallel import parallel_map

# For 1,280 features; for another number they are scaled so that logits have the same size.
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
PATIENCE = 1
REFERENCE_FEATURES = 1280
INNER_FOLDS = 3
J = TypeVar("J")
R = TypeVar("R")


class FitKey(NamedTuple):
    """The rows of a fit: the layer, the augmentations (the plain one is scored), and whether regions are included."""

    features: str
    augmentations: tuple[Augmentation, ...]
    regions: bool


TRAPS_FIT = FitKey("int8", AUGMENTATIONS, True)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a fit.

    Attributes:
        stored: the features, (crops * augmentations, features); for each crop the plain picture first.
        keys: the keys of the stored rows.
        augmentations: the number of augmentations of each crop.
        crops: the crops.
        labels: the class number of each crop.
        units: the unit of each crop.
        picture: the number of each crop's picture.
        scored: whether a crop is the one that is scored for its picture.
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
        """Some of the crops, chosen by a mask or numbers, with all their augmentations."""
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
        """Which crops may be used for training, bool (crops,)."""
        return np.array([crop.learnt for crop in self.crops])

    @property
    def plain(self) -> StoredRows:
        """The features of the plain picture of each crop, (crops, features)."""
        return self.stored.take(np.arange(len(self.crops)) * self.augmentations)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a head is fitted.

    Attributes:
        seed: the seed of the folds.
        prior: the shares of the classes in the field, (classes,); None for equal ones.
        strengths: the penalties to choose from, as inverse strengths.
        workers: the number of folds that are fitted at the same time.
        aim: the aim of the threshold.
    """

    seed: int
    prior: NDArray[np.float64] | None = None
    strengths: Sequence[float] = STRENGTHS
    workers: int = 1
    aim: Aim = USUAL

    def choose(self, samples: Samples, rows: Rows) -> tuple[Choice, ...]:
        """The trials of all penalties that were tried, the chosen one first."""
        folds = self.folds(rows)
        scaled = [strength * REFERENCE_FEATURES / rows.stored.shape[1] for strength in self.strengths]
        return choose(samples, folds, scaled, PATIENCE, self.workers)

    def folds(self, rows: Rows) -> NDArray[np.intp]:
        """The fold of each crop: by units; if one fold would hold a whole class, by sequences, or else by pictures.

        Raises:
            DataError: a class has only one picture.
        """
        pictures = [str(number) for number in rows.picture]
        sequences = ["\0".join(sequence_key(crop.picture)) for crop in rows.crops]
        for names in (rows.units.tolist(), sequences, pictures):
            folds = assign_folds(rows.labels, names, INNER_FOLDS, self.seed)
            spread = {label: len(set(folds[rows.labels == label].tolist())) for label in set(rows.labels.tolist())}
            if min(spread.values()) > 1:
                return folds
        alone = min(spread, key=spread.__getitem__)
        one = rows.crops[int(np.argmax(rows.labels == alone))].picture
        raise DataError(f"{one.file}: the only picture of its class, so none is left for training; add pictures")


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A head for bundles, with its trials, its thresholds (for means, for highest frames) and its range of logits."""

    head: LogisticHead
    trials: tuple[Choice, ...]
    thresholds: tuple[Threshold, Threshold]
    logit_range: tuple[float, float]


def fit_head(train: Rows, recipe: Recipe, final: Linear | None = None) -> HeadFit:
    """Fit a head on features without any projection, so that it can be part of a bundle.

    Args:
        train: the training rows.
        recipe: how to fit.
        final: the fit on all rows, if it was made already.
    """
    features = train.stored.load().reshape(len(train.labels), train.augmentations, -1)
    samples = samples_of(train, features, recipe, scale_features=True)
    trials = recipe.choose(samples, train)
    head = to_head(final or fit_all(samples, trials[0].c), trials[0].calibration)
    weights, bias = head.folded()
    logits = features.reshape(-1, features.shape[2]) @ weights.T + bias
    return HeadFit(head, trials, thresholds(train, trials[0], recipe.aim), (float(logits.min()), float(logits.max())))


@contextmanager
def parallel_fits(fit: Callable[[J], R], jobs: Sequence[J]) -> Iterator[Iterator[R]]:
    """Run several fits at the same time; give their results in the order of the jobs. Leaving the block cancels others.

    Each fit has one thread, because its matrices are small and BLAS threads would mostly wait for each other.
    """
    with threadpool_limits(1), closing(parallel_map(fit, jobs, os.cpu_count() or 1)) as results:
        yield results


def thresholds(train: Rows, best: Choice, aim: Aim = USUAL) -> tuple[Threshold, Threshold]:
    """The thresholds chosen on the training rows' held-out scores: for the mean and for the highest frame."""
    chances = (1 - probabilities(best.logits, best.calibration)[:, 0]).tolist()
    truth = (train.labels > 0).tolist()
    return (
        choose_threshold(train.crops, chances, truth, aim, how="mean"),
        choose_threshold(train.crops, chances, truth, aim, how="max"),
    )


def samples_of(train: Rows, features: NDArray[np.float32], recipe: Recipe, scale_features: bool) -> Samples:
    """The samples for the recipe's fits: the rows with these features."""
    return Samples(
        features=features,
        labels=train.labels,
        groups=train.units.tolist(),
        augmentation_weights=np.full(train.augmentations, 1 / train.augmentations),
        scale_features=scale_features,
        prior=recipe.prior,
    )
