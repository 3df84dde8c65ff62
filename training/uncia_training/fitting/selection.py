"""How strong the penalty should be: chosen on groups of pictures that the fit did not see.

Decides the folds and the choice of C; which groups are held out whole is handed in (`datasets.splits`).
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
    """What the fit sees: a row a crop (a picture, or its region).

    `features` are float32 (crops, augmentations, features); `groups` name what must stay together;
    `augmentation_weights` (augmentations,) sum to 1; `prior` (classes,) are the shares that the classes have in the
    field, None for equal ones.
    """

    features: Features
    labels: Labels
    groups: Sequence[str]
    augmentation_weights: NDArray[np.float64]
    scale_features: bool = True
    prior: NDArray[np.float64] | None = None

    @property
    def augmentations(self) -> int:
        """How many augmentations each crop has."""
        return len(self.augmentation_weights)

    def rows(self, chosen: NDArray[np.bool_]) -> tuple[Features | StoredRows, Labels, NDArray[np.float64]]:
        """Features (rows, features), labels and weights of all augmentations of the chosen crops."""
        labels = np.repeat(self.labels[chosen], self.augmentations)
        return self._features(chosen), labels, np.tile(self.augmentation_weights, int(chosen.sum()))

    def _features(self, chosen: NDArray[np.bool_]) -> Features | StoredRows:
        """All augmentations of the chosen crops; those of one crop follow each other."""
        picked = self.features[chosen]
        return picked.reshape(len(picked) * self.augmentations, -1)


@dataclass(frozen=True, eq=False)
class StreamedSamples(Samples):
    """Samples whose features stay on the disk: `stored` has a row for each augmentation, `features` is empty."""

    stored: StoredRows | None = None

    def _features(self, chosen: NDArray[np.bool_]) -> StoredRows:
        if self.stored is None:
            raise ValueError("streamed samples need stored rows")
        return self.stored.take(np.repeat(chosen, self.augmentations))


@dataclass(frozen=True, eq=False)
class Choice:
    """A strength of the penalty, and what it lost on held-out crops.

    `logits` (crops, classes) are those of the held-out plain pictures; `loss` is the balanced log loss in nats after
    calibration; `shares` (groups,) are what each group adds to it, and `error` is the standard error of the difference
    to the least loss. `folds` (crops,) say where each crop was held out, and `models` are the fits without each fold.
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
    """The fold in which each crop is held out: groups whole, each class spread over all folds."""
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
    """A trial for each strength, the chosen one first; `workers` folds are fitted at a time.

    With `patience`, penalties are weakened only until so many in a row have lost more than the least: weak ones take
    longest to fit, and only a stronger one than the least is ever chosen.

    Chosen is the strongest penalty that cannot be told from the best: whose held-out loss exceeds the least by no more
    than one standard error of that difference (Breiman's rule, paired, over groups). Of two heads that the data cannot
    tell apart, the plainer one carries further to places that no picture came from.
    """
    trials: list[Choice] = []
    for c in sorted(strengths):
        trials.append(_try(samples, folds, c, workers))
        least = min(range(len(trials)), key=lambda number: trials[number].loss)
        if patience is not None and len(trials) - 1 - least >= patience:
            break
    best = trials[least]
    trials = [replace(trial, error=_error(trial.shares - best.shares)) for trial in trials]
    chosen = next(trial for trial in trials if trial.loss - best.loss <= trial.error)
    return (chosen, *[trial for trial in trials if trial is not chosen])


def _error(differences: NDArray[np.float64]) -> float:
    """Standard error of a sum over groups: what belongs together is one observation."""
    count = len(differences)
    return float(np.sqrt(count * differences.var()))


def fit_all(samples: Samples, c: float) -> Linear:
    """The fit on everything."""
    features, labels, weights = samples.rows(np.ones(len(samples.labels), bool))
    return fit_linear(features, labels, c, weights, samples.scale_features, samples.prior)


def _try(samples: Samples, folds: NDArray[np.intp], c: float, workers: int) -> Choice:
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
    """What each group adds to the mean negative log probability of the truth, in nats, the classes weighted by `prior`
    (equally, where it is None)."""
    chances = probabilities(logits, calibration)[np.arange(len(labels)), labels]
    weights = class_weights(prior, labels) / np.bincount(labels)[labels]
    losses = -np.log(np.clip(chances, 1e-12, 1)) * weights / weights.sum()
    _, index = np.unique(groups, return_inverse=True)
    shares: NDArray[np.float64] = np.bincount(index, losses).astype(np.float64)
    return shares


def probabilities(logits: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Calibrated probabilities (crops, classes) of logits."""
    scaled = calibration.slope * logits + calibration.offset
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result
