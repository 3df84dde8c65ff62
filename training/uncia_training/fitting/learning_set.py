"""Prepares a data set for training: one pass over its pictures, the units of the split, and the rows of each fit.

Decides the order of the steps for every command that trains: check the classes, pass over the pictures (features are
stored in the cache at once), leave out copies of test pictures, determine the units.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.positive_labels import NEGATIVE
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.runs.labels import LabelledPicture, sequence_key, sequences, shows
from uncia_training.datasets.inspection import Inspection
from uncia_training.datasets.pictures import PictureFailure, require_readable
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.datasets.region_crops import Crop
from uncia_training.datasets.splits import Split, check_classes, check_units, split_units
from uncia_training.features.data_pass import WantedFeatures, opened_stores, pass_over
from uncia_training.features.extract import Extractor, row_key
from uncia_training.features.feature_store import FeatureStore
from uncia_training.features.networks import FLOAT, INT8, PIXELS
from uncia_training.fitting.head_fit import FitKey, Recipe, Rows

Progress = Callable[[str, int, int], None]
MISSING = ": named in the annotations, but there is no such file"  # the text of a warning after the file's name
KIND = {"pixels": PIXELS, "pooled": FLOAT, "map": FLOAT, "int8": INT8}


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """The settings of training. `prevalence` is the share of positives in the field; None for equal classes."""

    positive: tuple[str, ...]
    cache: Path
    split: Split = "location"
    seed: int = 0
    prevalence: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes: the negative one, then the positive labels."""
        return (NEGATIVE, *self.positive)

    @property
    def prior(self) -> NDArray[np.float64] | None:
        """The share of each class in the field, (classes,); None for equal ones, if no prevalence is given."""
        if self.prevalence is None:
            return None
        return np.array([1 - self.prevalence] + [self.prevalence / len(self.positive)] * len(self.positive))

    @property
    def positive_share(self) -> float:
        """The share of positives for which probabilities are calibrated; that of equal classes without a prevalence."""
        return self.prevalence or len(self.positive) / len(self.classes)

    @property
    def recipe(self) -> Recipe:
        """The recipe with which heads are fitted."""
        return Recipe(self.seed, self.prior)


@dataclass(eq=False)
class LearningSet:
    """The readable pictures of a data set, and the data for fits.

    `labels`, `sequences` and `units` give for each picture its class number, the number of its sequence, and its unit.
    `regions` gives the crop that is scored instead of a picture, by the picture's number. `rows` are the rows of each
    fit.
    """

    settings: LearningSettings
    inspection: Inspection
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    units: list[str]
    regions: dict[int, Crop]
    views: PlaceViews | None = None
    rows: dict[FitKey, Rows] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failures: list[PictureFailure] = field(default_factory=list)

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each sequence shows a positive label, bool (sequences,)."""
        return np.array([shows(burst, self.settings.positive) for burst in sequences(self.inspection.pictures)])

    @property
    def unseen(self) -> NDArray[np.bool_]:
        """Which pictures are never used for training, bool (pictures,)."""
        return np.array([picture.never_learnt for picture in self.inspection.pictures], bool)

    @property
    def unseen_sequences(self) -> NDArray[np.bool_]:
        """Which sequences have such a picture, bool (sequences,)."""
        return np.bincount(self.sequences, self.unseen) > 0

    @property
    def learnt_pictures(self) -> list[LabelledPicture]:
        """The pictures that are used for training."""
        return [picture for picture in self.inspection.pictures if not picture.never_learnt]

    @property
    def failed(self) -> set[str]:
        """The files that cannot be used."""
        return {failure.file for failure in self.failures}

    def left_out(self, pictures: Iterable[LabelledPicture], learning: bool = False) -> dict[LeftOut, list[str]]:
        """The readable files that are not used, by reason: copies of test pictures.

        With `learning`, also the pictures that are never used for training, for commands that only train.
        """
        read = [picture for picture in pictures if picture.file not in self.failed]
        kept = {picture.file for picture in self.inspection.pictures}
        unseen = {LeftOut.NEVER_LEARNT: [picture.file for picture in read if picture.never_learnt]}
        return {LeftOut.COPY: [one.file for one in read if one.file not in kept]} | (unseen if learning else {})

    def folds(self, units: Sequence[str]) -> int:
        """The number of folds that these units allow.

        Raises:
            DataError: all pictures of a class are one unit.
        """
        learnt, files = ~self.unseen, [picture.file for picture in self.learnt_pictures]
        own = np.asarray(units)[learnt].tolist()
        return check_units(self.labels[learnt], own, files, self.settings.classes, self.settings.split)


def prepare(
    pictures: Sequence[LabelledPicture],
    settings: LearningSettings,
    extractors: Mapping[str, Extractor],
    needed: Sequence[FitKey],
    progress: Progress,
    scoring: bool = True,
) -> LearningSet:
    """Pass over the pictures, and return the learning set with the rows of each fit.

    Args:
        pictures: the data set's pictures.
        settings: the settings.
        extractors: the networks, by kind.
        needed: the fits.
        progress: called with the name of a step, the number of its parts done, and the number of all.
        scoring: whether pictures are also scored; if not, there are features and rows only for training pictures.

    Raises:
        DataError: a class cannot be learnt and held out, or no picture can be read.
    """

    def featured(picture: LabelledPicture) -> bool:
        return scoring or not picture.never_learnt

    check_classes(pictures, settings.positive)
    views = PlaceViews(pictures, RegionRule()) if scoring else None
    told, workers = partial(progress, "pictures"), os.cpu_count() or 1
    with ExitStack() as stack:
        wanted = {
            kind: _wanted(one, [key for key in needed if KIND[key.features] == kind], settings.cache, stack)
            for kind, one in extractors.items()
        }
        seen, crops = pass_over(pictures, RegionRule(), list(wanted.values()), featured, workers, told, views)
    require_readable(len(seen.pictures), seen.failures)
    seen, leaks = seen.without_leaks()
    learning = learning_set(seen, crops, settings, leaks)
    learning.views = views
    crops = [crop for crop in crops if featured(crop.picture)]
    learning.rows = {key: rows_of(learning, key, crops, wanted[KIND[key.features]]) for key in needed}
    return learning


def _wanted(extractor: Extractor, keys: Sequence[FitKey], cache: Path, stack: ExitStack) -> WantedFeatures:
    augmentations = max((key.augmentations for key in keys), key=len)
    stores = stack.enter_context(opened_stores(cache, extractor))
    return WantedFeatures(extractor, augmentations, any(key.regions for key in keys), stores)


def learning_set(
    seen: Inspection, crops: Sequence[Crop], settings: LearningSettings, warnings: Sequence[str] = ()
) -> LearningSet:
    """The learning set of these pictures and crops, without rows."""
    check_classes(seen.pictures, settings.positive, len(seen.failures))
    number = {name: index for index, name in enumerate(settings.classes)}
    keys = [sequence_key(picture) for picture in seen.pictures]
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    grouping: Split = "location" if settings.split == "random" else settings.split
    units, joined = split_units(seen.pictures, seen.duplicates, seen.contents, grouping, settings.positive)
    regional = {one.picture.file: one for one in crops if one.region is not None and one.scored}
    return LearningSet(
        settings=settings,
        inspection=seen,
        labels=np.array([number.get(picture.label, 0) for picture in seen.pictures], np.intp),
        sequences=np.array([order[key] for key in keys], np.intp),
        units=units,
        regions={n: regional[one.file] for n, one in enumerate(seen.pictures) if one.file in regional},
        warnings=[*_missing(seen.failures), *warnings, *joined],
        failures=list(seen.failures),
    )


def _missing(failures: Sequence[PictureFailure]) -> list[str]:
    return [
        f"{failure.file}{MISSING}; restore it or delete its row"
        for failure in failures
        if "No such file" in failure.reason
    ]


def rows_of(learning: LearningSet, key: FitKey, crops: Sequence[Crop], wanted: WantedFeatures) -> Rows:
    """The rows of a fit for these crops, from the stores."""
    places = {picture.file: index for index, picture in enumerate(learning.inspection.pictures)}
    contents = [bytes.fromhex(content) for content in learning.inspection.contents]
    used = [crop for crop in crops if crop.picture.file in places and (key.regions or crop.region is None)]
    picture = np.array([places[crop.picture.file] for crop in used], np.intp)
    names = [
        row_key(wanted.extractor, contents[place], crop.region, name)
        for place, crop in zip(picture, used, strict=True)
        for name in key.augmentations
    ]
    return Rows(
        stored=_store(key, wanted.stores).rows(names),
        keys=tuple(names),
        augmentations=len(key.augmentations),
        crops=tuple(used),
        labels=learning.labels[picture],
        units=np.asarray(learning.units)[picture],
        picture=picture,
        scored=np.array([crop.scored or not key.regions for crop in used], bool),
    )


def _store(key: FitKey, stores: Mapping[str, FeatureStore]) -> FeatureStore:
    return stores["pooled" if key.features == "int8" else key.features]
