"""Chooses the strength of the penalty by cross-validation with whole groups.

Decides the folds and the choice of C; the caller gives the groups (`datasets.splits`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.logistic import Calibration, Features, Labels, Linear, calibrate, class_weights, fit_linear
from uncia_training.parallel import parallel_map


@dataclass(frozen=True, eq=False)
class Samples:
    """The input of a fit: for each crop (a picture or a region) its features, label and group.

    `features` are float32 (crops, augmentations, features); `groups` name what must stay in one fold;
    `augmentation_weights` (augmentations,) sum to 1; `prior` (classes,) are the shares of the classes in the field,
    None for equal ones.
    """

    features: Features
    labels: Labels
    groups: Sequence[str]
    augmentation_weights: NDArray[np.float64]
    scale_features: bool = True
    prior: NDArray[np.float64] | None = None

    @property
    def augmentations(self) -> int:
        """The number of augmentations of each crop."""
        return len(self.augmentation_weights)

    def rows(self, chosen: NDArray[np.bool_]) -> tuple[Features | StoredRows, Labels, NDArray[np.float64]]:
        """Features (rows, features), labels and weights of all augmentations of the chosen crops."""
        labels = np.repeat(self.labels[chosen], self.augmentations)
        return self._features(chosen), labels, np.tile(self.augmentation_weights, int(chosen.sum()))

    def _features(self, chosen: NDArray[np.bool_]) -> Features | StoredRows:
        """The features of all augmentations of the chosen crops, crop by crop."""
        picked = self.features[chosen]
        return picked.reshape(len(picked) * self.augmentations, -1)


@dataclass(frozen=True, eq=False)
class StreamedSamples(Samples):
    """Samples whose features are read from disk: `stored` has a row for each augmentation, `features` is empty."""

    stored: StoredRows | None = None

    def _features(self, chosen: NDArray[np.bool_]) -> StoredRows:
        if self.stored is None:
            raise ValueError("streamed samples need stored rows")
        return self.stored.take(np.repeat(chosen, self.augmentations))


@dataclass(frozen=True, eq=False)
class Choice:
    """The trial of one strength of the penalty.

    Attributes:
        c: the inverse strength.
        loss: the balanced log loss of held-out crops after calibration, in nats.
        shares: the part of each group in the loss, (groups,).
        logits: the logits of the held-out plain pictures, (crops, classes).
        calibration: the calibration fitted on held-out logits.
        folds: the fold of each crop, (crops,).
        models: the fits, each without one fold.
        error: the standard error of the difference to the least loss.
    """

    c: float
    loss: float
    shares: NDArray[np.float64]
    logits: NDArray[np.float64]
    calibration: Calibration
    folds: NDArray[np.intp]
    models: tuple[Linear, ...]
    error: float = 0.0


def assign_folds(labels: Labels, groups: Sequence[str], folds: int, seed: int = 0) -> NDArray[np.intp]:
    """The fold in which each crop is held out; groups are kept whole, and each class is spread over all folds."""
    chance = np.random.default_rng(seed)
    fold = np.zeros(len(labels), np.intp)
    seen: set[str] = set()
    for label in sorted(set(labels.tolist()), reverse=True):
        names = sorted({group for group, own in zip(groups, labels, strict=True) if own == label} - seen)
        seen |= set(names)
        place = {name: index % folds for index, name in enumerate(chance.permutation(names))}
        for index, group in enumerate(groups):
            fold[index] = place.get(group, fold[index])
    return fold


def choose(
    samples: Samples,
    folds: NDArray[np.intp],
    strengths: Sequence[float],
    patience: int | None = None,
    workers: int = 1,
) -> tuple[Choice, ...]:
    """Try the strengths and return the trials, the chosen one first; `workers` folds are fitted at the same time.

    The strongest penalty is chosen whose held-out loss exceeds the least loss by at most one standard error of the
    difference (Breiman's rule, paired, over groups): of two heads with equal results, the simpler one generalises
    better to new places.

    Strong penalties are tried first. With `patience`, the search stops after so many trials in a row with more than the
    least loss, because weak penalties take longest to fit, and a weaker one than the best is never chosen.
    """
    trials: list[Choice] = []
    for c in sorted(strengths):
        trials.append(_trial(samples, folds, c, workers))
        least = min(range(len(trials)), key=lambda number: trials[number].loss)
        if patience is not None and len(trials) - 1 - least >= patience:
            break
    best = trials[least]
    trials = [replace(trial, error=_error(trial.shares - best.shares)) for trial in trials]
    chosen = next(trial for trial in trials if trial.loss - best.loss <= trial.error)
    return (chosen, *[trial for trial in trials if trial is not chosen])


def _error(differences: NDArray[np.float64]) -> float:
    """The standard error of a sum over groups; each group is one observation."""
    count = len(differences)
    return float(np.sqrt(count * differences.var()))


def fit_all(samples: Samples, c: float) -> Linear:
    """The fit on all samples with inverse strength `c`."""
    features, labels, weights = samples.rows(np.ones(len(samples.labels), bool))
    return fit_linear(features, labels, c, weights, samples.scale_features, samples.prior)


def _trial(samples: Samples, folds: NDArray[np.intp], c: float, workers: int) -> Choice:
    classes = int(samples.labels.max()) + 1
    augmentations = samples.augmentations
    logits = np.zeros((len(samples.labels), augmentations, classes))
    names, folds = np.unique(folds, return_inverse=True)

    def fit(fold: int) -> Linear:
        features, labels, weights = samples.rows(folds != fold)
        return fit_linear(features, labels, c, weights, samples.scale_features, samples.prior)

    models = list(parallel_map(fit, range(len(names)), workers))
    for fold, model in enumerate(models):
        held_out = folds == fold
        logits[held_out] = model.logits(samples.rows(held_out)[0]).reshape(int(held_out.sum()), augmentations, classes)
    flat, labels = logits.reshape(-1, classes), np.repeat(samples.labels, augmentations)
    calibration = calibrate(flat, labels).at(samples.prior)
    shares = loss_shares(flat, labels, np.repeat(np.asarray(samples.groups), augmentations), calibration, samples.prior)
    return Choice(c, float(shares.sum()), shares, logits[:, 0], calibration, folds, tuple(models))


def loss_shares(
    logits: NDArray[np.float64],
    labels: Labels,
    groups: NDArray[np.str_],
    calibration: Calibration,
    prior: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Each group's part of the mean log loss in nats, (groups,); classes are weighted by `prior` (None: equally)."""
    chances = probabilities(logits, calibration)[np.arange(len(labels)), labels]
    weights = class_weights(prior, labels) / np.bincount(labels)[labels]
    losses = -np.log(np.clip(chances, 1e-12, 1)) * weights / weights.sum()
    _, index = np.unique(groups, return_inverse=True)
    shares: NDArray[np.float64] = np.bincount(index, losses).astype(np.float64)
    return shares


def probabilities(logits: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """The calibrated probabilities (crops, classes) of logits (crops, classes)."""
    scaled = calibration.slope * logits + calibration.offset
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result
