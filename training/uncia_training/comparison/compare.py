"""`uncia-train compare`: all systems on one data set, on the same splits, with everything the report needs.

Decides the order: inspect the pictures, find regions, compute features (kept in the cache as they come), then fit and
score every system on every fold. Figures are of pictures that the fit did not see; they are means over the repeats.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.positive_labels import NEGATIVE
from uncia_contract.errors import DataError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.runs.labels import LabelledPicture, sequence_key, sequences, shows
from uncia_training.comparison.cross_validation import CrossValidatedScores, CrossValidation, cross_validate
from uncia_training.comparison.figures import LabelledScores
from uncia_training.comparison.fold_fit import Rows
from uncia_training.comparison.systems import FitKey, System, fits, systems
from uncia_training.datasets.inspection import Inspection, inspect_pictures
from uncia_training.datasets.pictures import PictureFailure, require_readable
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.datasets.region_crops import Crop, crops_of
from uncia_training.datasets.splits import Split, check_classes, check_units, split_units
from uncia_training.features.augmentation import Augmentation
from uncia_training.features.backbone_folder import BackboneFolder
from uncia_training.features.extract import Extractor, extract
from uncia_training.features.feature_store import FeatureStore
from uncia_training.features.networks import FLOAT, INT8, PIXELS, NetworkChoice, networks
from uncia_training.fitting.thresholds import UNKNOWN

Progress = Callable[[str, int, int], None]
MISSING = ": named in the annotations, but there is no such file"  # of a warning, behind the file's name
KIND = {"pixels": PIXELS, "pooled": FLOAT, "map": FLOAT, "int8": INT8}


@dataclass(frozen=True)
class CompareSettings:
    """What a person may choose. `prevalence` is the share of positives that fits and probabilities are made for."""

    positive: tuple[str, ...]
    network: NetworkChoice
    cache: Path
    systems: tuple[str, ...] = ("all",)
    split: Split = "location"
    repeats: int = 2
    seed: int = 0
    prevalence: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The negative one, then the positive labels."""
        return (NEGATIVE, *self.positive)

    @property
    def prior(self) -> NDArray[np.float64] | None:
        """The share of each class in the field; None where no prevalence is given: equal ones."""
        if self.prevalence is None:
            return None
        return np.array([1 - self.prevalence] + [self.prevalence / len(self.positive)] * len(self.positive))

    @property
    def positive_share(self) -> float:
        """The share of positives that probabilities are for."""
        return self.prevalence or len(self.positive) / len(self.classes)


@dataclass(frozen=True, eq=False)
class SystemScores:
    """Held-out scores of each repeat, what was chosen on the way, and the threshold.

    `scored` are means over the repeats: for what is told of single pictures, not for figures. `singly` are of each fit,
    for pictures that are never learnt from. `folds` (pictures,) of each repeat are -1 for these. `threshold` is the
    mean of those that the folds' training sides chose; `chosen` says whether they could. `heads` hold the head that
    scored each picture in the first repeat, where a bundle carried it.
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
    """A system's outcome: its own scores, those of its bundle on the trap where it has one, and what a random split
    would have claimed."""

    system: System
    own: SystemScores
    on_trap: SystemScores | None = None
    random: SystemScores | None = None

    @property
    def bundled(self) -> SystemScores | None:
        """The scores of its bundles, for `uncia` its own."""
        return self.own if self.system.features == "int8" else self.on_trap


@dataclass(eq=False)
class Comparison:
    """Everything the report is made of; `sequences` holds each sequence's number for every picture, `regions` the crop
    that is scored in its place."""

    settings: CompareSettings
    inspection: Inspection
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    units: list[str]
    regions: dict[int, Crop]
    views: PlaceViews | None = None
    backbone: BackboneFolder | None = None
    rows: dict[FitKey, Rows] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[PictureFailure] = field(default_factory=list)

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each sequence shows what is looked for."""
        return np.array([shows(burst, self.settings.positive) for burst in sequences(self.inspection.pictures)])

    @property
    def unseen(self) -> NDArray[np.bool_]:
        """Which pictures no fit learnt from (pictures,)."""
        return np.array([picture.never_learnt for picture in self.inspection.pictures], bool)

    @property
    def unseen_sequences(self) -> NDArray[np.bool_]:
        """Which sequences hold such a picture (sequences,)."""
        return np.bincount(self.sequences, self.unseen) > 0


def compare(pictures: Sequence[LabelledPicture], settings: CompareSettings, progress: Progress) -> Comparison:
    """Runs the comparison.

    Raises:
        DataError: a class that cannot be learnt and held out, unknown systems, weights that are not there.
    """
    chosen = systems(settings.systems, settings.network.cut)
    check_classes(pictures, settings.positive)
    workers = os.cpu_count() or 1
    seen = inspect_pictures(pictures, workers, lambda done, total: progress("pictures", done, total))
    comparison, found = _prepare(seen, settings, workers)
    needed = fits(chosen)
    features = {one.features for one in needed}
    made = networks(settings.network, features, pictures, settings.cache, progress)
    comparison.backbone = made.backbone
    comparison.rows = _all_rows(needed, made.extractors, found, comparison, workers, progress)
    _run(comparison, chosen, progress)
    return comparison


def _prepare(seen: Inspection, settings: CompareSettings, workers: int) -> tuple[Comparison, list[Crop]]:
    require_readable(len(seen.pictures), seen.failures)
    check_classes(seen.pictures, settings.positive)
    seen, warnings = _without_leaks(seen)
    number = {name: index for index, name in enumerate(settings.classes)}
    keys = [sequence_key(picture) for picture in seen.pictures]
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    grouping: Split = "location" if settings.split == "random" else settings.split
    units, joined = split_units(seen.pictures, seen.duplicates, seen.contents, grouping, settings.positive)
    views = PlaceViews(seen.pictures, RegionRule())
    found = [crop for crop in crops_of(seen.pictures, RegionRule(), workers, views) if isinstance(crop, Crop)]
    places = {picture.file: index for index, picture in enumerate(seen.pictures)}
    comparison = Comparison(
        settings=settings,
        inspection=seen,
        labels=np.array([number.get(picture.label, 0) for picture in seen.pictures], np.intp),
        sequences=np.array([order[key] for key in keys], np.intp),
        units=units,
        regions={places[crop.picture.file]: crop for crop in found if crop.scored and crop.region is not None},
        views=views,
        warnings=[*_missing(seen.failures), *warnings, *joined],
        failures=list(seen.failures),
    )
    return comparison, found


def _missing(failures: Sequence[PictureFailure]) -> list[str]:
    return [
        f"{failure.file}{MISSING}; restore it or take its row out"
        for failure in failures
        if "No such file" in failure.reason
    ]


def _without_leaks(seen: Inspection) -> tuple[Inspection, list[str]]:
    """Without training pictures that the test split has as well, byte for byte."""
    read = list(zip(seen.contents, seen.pictures, strict=True))
    test = {content: picture.file for content, picture in read if picture.never_learnt}
    leaked = [index for index, (content, picture) in enumerate(read) if content in test and not picture.never_learnt]
    warnings = [
        f"{seen.pictures[index].file}: the same bytes as the test picture {test[seen.contents[index]]}; not learnt "
        "from; delete one of them"
        for index in leaked
    ]
    keep = [index for index in range(len(seen.pictures)) if index not in set(leaked)]
    kept = Inspection(
        tuple(seen.pictures[index] for index in keep),
        tuple(seen.contents[index] for index in keep),
        tuple(seen.duplicates[index] for index in keep),
        tuple(seen.lights[index] for index in keep),
        seen.failures,
    )
    return kept, warnings


def _all_rows(
    chosen: Sequence[System],
    made: dict[str, Extractor],
    found: Sequence[Crop],
    comparison: Comparison,
    workers: int,
    progress: Progress,
) -> dict[FitKey, Rows]:
    """The stored rows of each fit that a system needs; computes what the cache lacks."""
    rows: dict[FitKey, Rows] = {}
    for kind, extractor in made.items():
        needing = [system for system in chosen if KIND[system.features] == kind]
        augmentations = max((system.augmentations for system in needing), key=len)
        wanted = list(found) if any(system.regions for system in needing) else _whole(found)
        folder = comparison.settings.cache / "features" / extractor.name
        stores = {layer: FeatureStore(folder / layer, *shape) for layer, shape in extractor.layers.items()}
        try:
            told = partial(progress, f"features: {extractor.name.rsplit('-', 1)[0]}")
            keys, failed = extract(wanted, extractor, augmentations, stores, workers, told)
        finally:
            for store in stores.values():
                store.close()
        if failed:
            raise DataError(f"{failed[0].file}: {failed[0].reason} (it could be read a moment ago); start again")
        for system in needing:
            store = stores[kind if kind == PIXELS else "pooled" if kind == INT8 else system.features]
            rows[system.fit] = _rows(system, wanted, keys, augmentations, store, comparison)
    return rows


def _whole(found: Sequence[Crop]) -> list[Crop]:
    return [crop for crop in found if crop.region is None]


def _rows(
    system: System,
    wanted: Sequence[Crop],
    keys: dict[int, tuple[str, ...]],
    augmentations: tuple[Augmentation, ...],
    store: FeatureStore,
    comparison: Comparison,
) -> Rows:
    places = {picture.file: index for index, picture in enumerate(comparison.inspection.pictures)}
    used = [number for number, crop in enumerate(wanted) if system.regions or crop.region is None]
    picture = np.array([places[wanted[number].picture.file] for number in used], np.intp)
    chosen = [keys[number][augmentations.index(name)] for number in used for name in system.augmentations]
    return Rows(
        stored=store.rows(chosen),
        keys=tuple(chosen),
        augmentations=len(system.augmentations),
        crops=tuple(wanted[number] for number in used),
        labels=comparison.labels[picture],
        units=np.asarray(comparison.units)[picture],
        picture=picture,
        scored=np.array([wanted[number].scored or not system.regions for number in used]),
    )


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
    settings, labels, names = comparison.settings, comparison.labels, np.asarray(units)
    learnt = np.array([not picture.never_learnt for picture in comparison.inspection.pictures])
    files = [picture.file for picture in comparison.inspection.pictures if not picture.never_learnt]
    plan = CrossValidation(
        pictures=comparison.inspection.pictures,
        labels=labels,
        units=names,
        positive=settings.positive,
        repeats=settings.repeats,
        folds=check_units(labels[learnt], names[learnt].tolist(), files, settings.classes, settings.split),
        seed=settings.seed,
        prior=settings.prior,
        backbone=comparison.backbone,
        cache=settings.cache,
        views=comparison.views,
    )
    return cross_validate(comparison.rows, plan, progress)


def _scores(
    validated: CrossValidatedScores, system: System, comparison: Comparison, units: NDArray[np.intp]
) -> SystemScores:
    """Frames and sequences as the system scores them, and the threshold that its training sides chose."""
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
