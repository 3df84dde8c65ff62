"""`uncia-train compare`: fits and scores all systems on one data set, with the same splits.

Decides the order: make the networks, read the pictures once (`learning_set`), then fit and score every system on every
fold. Figures are of held-out pictures; they are means over the repeats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.heads import LogisticHead
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.comparison.cross_validation import CrossValidatedScores, CrossValidation, cross_validate
from uncia_training.comparison.figures import LabelledScores
from uncia_training.comparison.systems import System, fits, systems
from uncia_training.datasets.splits import check_classes, split_units
from uncia_training.features.backbone_folder import BackboneFolder
from uncia_training.features.networks import NetworkChoice, networks
from uncia_training.fitting.head_fit import FitKey
from uncia_training.fitting.learning_set import LearningSet, LearningSettings, Progress, prepare
from uncia_training.fitting.thresholds import UNKNOWN


@dataclass(frozen=True, kw_only=True)
class CompareSettings(LearningSettings):
    """The options of `uncia-train compare`."""

    network: NetworkChoice
    systems: tuple[str, ...] = ("all",)
    repeats: int = 2


@dataclass(frozen=True, eq=False)
class SystemScores:
    """Held-out scores of each repeat, the chosen penalties, and the threshold.

    `scored` are means over the repeats, to show single pictures; figures are not made of them. `singly` are the scores
    of each fit, for pictures of split `test` and `tune`, whose `folds` (pictures,) are -1 in each repeat. `threshold`
    is the mean of the thresholds that the folds' training sides chose; `chosen` is false if one could not. `heads` has
    for each picture the head that scored it in the first repeat, if a bundle contained it.
    """

    scored: LabelledScores
    repeats: tuple[LabelledScores, ...]
    singly: tuple[LabelledScores, ...]
    folds: tuple[NDArray[np.intp], ...]
    penalties: tuple[float, ...]
    threshold: float
    chosen: bool
    heads: dict[int, LogisticHead]


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of a system: its own; those of its int8 bundles, if any; those with a random split, if asked."""

    system: System
    own: SystemScores
    on_trap: SystemScores | None = None
    random: SystemScores | None = None

    @property
    def bundled(self) -> SystemScores | None:
        """The scores of its bundles (for `uncia` its own); None if it cannot be a bundle."""
        return self.own if self.system.features == "int8" else self.on_trap


@dataclass(eq=False, kw_only=True)
class Comparison(LearningSet):
    """The data of a report: the pictures with features and splits, and the scores of all systems."""

    settings: CompareSettings
    backbone: BackboneFolder | None = None
    results: list[Result] = field(default_factory=list)


def compare(pictures: Sequence[LabelledPicture], settings: CompareSettings, progress: Progress) -> Comparison:
    """Runs the comparison; its data for the report.

    Raises:
        DataError: a class with too few pictures to split, unknown systems, weights that do not exist.
    """
    chosen = systems(settings.systems, settings.network.cut)
    check_classes(pictures, settings.positive)
    needed = fits(chosen)
    made = networks(settings.network, {key.features for key in needed}, pictures, settings.cache, progress)
    learning = prepare(pictures, settings, made.extractors, needed, progress)
    comparison = Comparison(**vars(learning), backbone=made.backbone)
    _run(comparison, chosen, progress)
    return comparison


def _run(comparison: Comparison, chosen: Sequence[System], progress: Progress) -> None:
    settings = comparison.settings
    grouped = _cross_validated(comparison, comparison.units, partial(progress, "fits"))
    leaky: dict[FitKey, CrossValidatedScores] = {}
    if settings.split == "random":
        alone, _ = split_units(comparison.inspection.pictures, (), (), "random")
        leaky = _cross_validated(comparison, alone, partial(progress, "fits on random splits"))
    numbers, single = np.unique(comparison.units, return_inverse=True)[1], np.arange(len(comparison.units))
    for system in chosen:
        on_trap = None
        if system.features == "pooled":
            on_trap = _scores(grouped[system.on_trap.fit], system, comparison, numbers)
        random = _scores(leaky[system.fit], system, comparison, single) if leaky else None
        own = _scores(grouped[system.fit], system, comparison, numbers)
        comparison.results.append(Result(system, own, on_trap, random))


def _cross_validated(
    comparison: Comparison, units: Sequence[str], progress: Callable[[int, int], None]
) -> dict[FitKey, CrossValidatedScores]:
    settings, folds = comparison.settings, comparison.folds(units)
    plan = CrossValidation(comparison, np.asarray(units), settings.repeats, folds, settings.recipe, comparison.backbone)
    return cross_validate(plan, progress)


def _scores(
    validated: CrossValidatedScores, system: System, comparison: Comparison, units: NDArray[np.intp]
) -> SystemScores:
    """The scores of frames and sequences as the system defines them, and the threshold of its training sides."""
    named = [pair[0 if system.ensemble else 1] for pair in validated.thresholds]
    known = [value for value in named if value is not None]
    chosen = len(known) == len(named)
    return SystemScores(
        scored=_scored(np.mean(validated.probabilities, axis=0), system, comparison, units),
        repeats=tuple(_scored(one, system, comparison, units) for one in validated.probabilities),
        singly=tuple(_scored(one, system, comparison, units) for one in validated.singly),
        folds=tuple(validated.folds),
        penalties=tuple(validated.penalties),
        threshold=float(np.mean(known)) if chosen else UNKNOWN,
        chosen=chosen,
        heads=validated.heads,
    )


def _scored(
    probabilities: NDArray[np.float64], system: System, comparison: Comparison, units: NDArray[np.intp]
) -> LabelledScores:
    numbers = comparison.sequences
    counts = np.bincount(numbers)
    positive = 1 - probabilities[:, 0]
    if system.ensemble:
        sums = np.stack([np.bincount(numbers, column) for column in probabilities.T], axis=1)
        probabilities = (sums / counts[:, np.newaxis])[numbers]
        scores = 1 - (sums / counts[:, np.newaxis])[:, 0]
    else:
        scores = np.zeros(len(counts))
        np.maximum.at(scores, numbers, positive)
    return LabelledScores(probabilities, comparison.labels, numbers, scores, comparison.truth, positive, units)
