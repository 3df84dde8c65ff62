"""`uncia-train compare`: all systems on one data set, on the same splits, with everything the report needs.

Decides the order: survey the pictures, find regions, compute features (kept in the cache as they come), then fit and
score every system on every fold. Figures are of pictures that the fit did not see; repeats are averaged.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from uncia_contract.errors import DataError
from uncia_contract.labels import LabelledPicture, sequence_key
from uncia_contract.regions import RegionRule
from uncia_training.extract import Extractor, extract
from uncia_training.feature_store import FeatureStore
from uncia_training.figures import Scored
from uncia_training.networks import FLOAT, INT8, PIXELS, NetworkChoice, extractors
from uncia_training.pictures import Look, PictureFailure, looks
from uncia_training.selection import assign_folds
from uncia_training.splits import Split, check_classes, check_units, split_units
from uncia_training.survey import Survey, survey
from uncia_training.systems import System, systems
from uncia_training.trial import STRENGTHS, TRAP_STRENGTHS, Held, Rows, score_held_out

Progress = Callable[[str, int, int], None]
FitKey = tuple[str, tuple[str, ...], bool]
KIND = {"pixels": PIXELS, "pooled": FLOAT, "map": FLOAT, "int8": INT8}


@dataclass(frozen=True)
class CompareSettings:
    """What a person may choose. `prevalence` is the share of positives that probabilities are stated for."""

    positive: tuple[str, ...]
    network: NetworkChoice
    cache: Path
    systems: tuple[str, ...] = ("all",)
    split: Split = "location"
    repeats: int = 2
    seed: int = 0
    prevalence: float | None = None
    threshold: float = 0.5

    @property
    def classes(self) -> tuple[str, ...]:
        """`other`, then the positive labels."""
        return ("other", *self.positive)


@dataclass(frozen=True, eq=False)
class Result:
    """A system's outcome: held-out scores averaged over repeats, those of each repeat, and the penalties chosen."""

    system: System
    scored: Scored
    repeats: tuple[Scored, ...]
    penalties: tuple[float, ...]
    random: Scored | None = None


@dataclass(eq=False)
class Comparison:
    """Everything the report is made of; `sequences` holds each sequence's number for every picture."""

    settings: CompareSettings
    survey: Survey
    labels: NDArray[np.intp]
    sequences: NDArray[np.intp]
    units: list[str]
    regions: dict[int, Look]
    results: list[Result] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[PictureFailure] = field(default_factory=list)


def compare(pictures: Sequence[LabelledPicture], settings: CompareSettings, progress: Progress) -> Comparison:
    """Runs the comparison.

    Raises:
        DataError: a class that cannot be learnt and held out, unknown systems, weights that are not there.
    """
    chosen = systems(settings.systems, settings.network.cut)
    check_classes(pictures, settings.positive)
    workers = os.cpu_count() or 1
    seen = survey(pictures, workers, lambda done, total: progress("pictures", done, total))
    comparison, found = _prepare(seen, settings, workers)
    made = extractors(
        settings.network,
        {system.features for system in chosen},
        pictures,
        settings.cache,
        lambda line: progress(line, 0, 0),
    )
    rows = _all_rows(chosen, made, found, comparison, workers, progress)
    _run(comparison, chosen, rows, progress)
    return comparison


def _prepare(seen: Survey, settings: CompareSettings, workers: int) -> tuple[Comparison, list[Look]]:
    if not seen.pictures:
        first = seen.failures[0]
        raise DataError(f"none of {len(seen.failures)} pictures can be read; the first: {first.file}: {first.reason}")
    check_classes(seen.pictures, settings.positive)
    seen, warnings = _without_leaks(seen)
    number = {name: index for index, name in enumerate(settings.classes)}
    keys = [sequence_key(picture) for picture in seen.pictures]
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    grouping: Split = "location" if settings.split == "random" else settings.split
    units, joined = split_units(seen.pictures, seen.duplicates, seen.contents, grouping)
    found = [look for look in looks(seen.pictures, RegionRule(), workers) if isinstance(look, Look)]
    places = {picture.file: index for index, picture in enumerate(seen.pictures)}
    comparison = Comparison(
        settings=settings,
        survey=seen,
        labels=np.array([number.get(picture.label, 0) for picture in seen.pictures], np.intp),
        sequences=np.array([order[key] for key in keys], np.intp),
        units=units,
        regions={places[look.picture.file]: look for look in found if look.region is not None},
        warnings=[*_missing(seen.failures), *warnings, *joined],
        failures=list(seen.failures),
    )
    return comparison, found


def _missing(failures: Sequence[PictureFailure]) -> list[str]:
    return [
        f"{failure.file}: named in the annotations, but there is no such file; restore it or take its row out"
        for failure in failures
        if "No such file" in failure.reason
    ]


def _without_leaks(seen: Survey) -> tuple[Survey, list[str]]:
    """Without training pictures that the test split has as well, byte for byte."""
    test = {
        content: picture.file for content, picture in zip(seen.contents, seen.pictures, strict=True) if picture.is_test
    }
    leaked = [
        index
        for index, (content, picture) in enumerate(zip(seen.contents, seen.pictures, strict=True))
        if content in test and not picture.is_test
    ]
    warnings = [
        f"{seen.pictures[index].file}: the same bytes as the test picture {test[seen.contents[index]]}; not learnt "
        "from; delete one of them"
        for index in leaked
    ]
    keep = [index for index in range(len(seen.pictures)) if index not in set(leaked)]
    kept = Survey(
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
    found: Sequence[Look],
    comparison: Comparison,
    workers: int,
    progress: Progress,
) -> dict[FitKey, Rows]:
    """The stored rows of each fit that a system needs; computes what the cache lacks."""
    rows: dict[FitKey, Rows] = {}
    for kind, extractor in made.items():
        needing = [system for system in chosen if KIND[system.features] == kind]
        views = max((system.views for system in needing), key=len)
        wanted = list(found) if any(system.regions for system in needing) else _whole(found)
        folder = comparison.settings.cache / "features" / extractor.name
        stores = {layer: FeatureStore(folder / layer, *shape) for layer, shape in extractor.layers.items()}
        try:
            told = partial(progress, f"features: {extractor.name.rsplit('-', 1)[0]}")
            keys, failed = extract(wanted, extractor, views, stores, workers, told)
        finally:
            for store in stores.values():
                store.close()
        if failed:
            raise DataError(f"{failed[0].file}: {failed[0].reason} (it could be read a moment ago); start again")
        for system in needing:
            store = stores[kind if kind == PIXELS else "pooled" if kind == INT8 else system.features]
            rows[system.fit] = _rows(system, wanted, keys, views, store, comparison)
    return rows


def _whole(found: Sequence[Look]) -> list[Look]:
    return [look for look in found if look.region is None]


def _rows(
    system: System,
    wanted: Sequence[Look],
    keys: dict[int, tuple[str, ...]],
    views: tuple[str, ...],
    store: FeatureStore,
    comparison: Comparison,
) -> Rows:
    places = {picture.file: index for index, picture in enumerate(comparison.survey.pictures)}
    used = [number for number, look in enumerate(wanted) if system.regions or look.region is None]
    picture = np.array([places[wanted[number].picture.file] for number in used], np.intp)
    regional = np.array([wanted[number].region is not None for number in used])
    having = np.isin(picture, picture[regional])
    chosen = [keys[number][views.index(view)] for number in used for view in system.views]
    return Rows(
        stored=store.rows(chosen),
        views=len(system.views),
        labels=comparison.labels[picture],
        units=np.asarray(comparison.units)[picture],
        picture=picture,
        scored=regional | ~having,
    )


def _run(
    comparison: Comparison,
    chosen: Sequence[System],
    rows: dict[FitKey, Rows],
    progress: Progress,
) -> None:
    settings = comparison.settings
    grouped = _fit_all(comparison, rows, comparison.units, "fits", progress)
    leaky = None
    if settings.split == "random":
        alone, _ = split_units(comparison.survey.pictures, (), (), "random")
        leaky = _fit_all(comparison, rows, alone, "fits on random splits", progress)
    for system in chosen:
        repeats, penalties = grouped[system.fit]
        random = _scored(np.mean(leaky[system.fit][0], axis=0), system, comparison) if leaky else None
        comparison.results.append(
            Result(
                system,
                _scored(np.mean(repeats, axis=0), system, comparison),
                tuple(_scored(one, system, comparison) for one in repeats),
                tuple(penalties),
                random,
            )
        )


def _fit_all(
    comparison: Comparison,
    rows: dict[FitKey, Rows],
    units: Sequence[str],
    title: str,
    progress: Progress,
) -> dict[FitKey, tuple[list[NDArray[np.float64]], list[float]]]:
    """For each fit, held-out probabilities (pictures, classes) of each repeat, and the penalties chosen."""
    settings, labels, names = comparison.settings, comparison.labels, np.asarray(units)
    learnt = np.array([not picture.is_test for picture in comparison.survey.pictures])
    count = check_units(labels[learnt], names[learnt].tolist(), settings.classes, settings.split)
    own = {key: replace(one, units=names[one.picture]) for key, one in rows.items()}
    dealt = [_deal(labels, names, learnt, count, settings.seed + repeat) for repeat in range(settings.repeats)]
    jobs = list(product(own, range(settings.repeats), range(count)))

    def score(job: tuple[FitKey, int, int]) -> tuple[FitKey, int, Held]:
        key, repeat, fold = job
        train = (dealt[repeat] != fold) & learnt
        strengths = TRAP_STRENGTHS if key[0] == "int8" else STRENGTHS
        picture = own[key].picture
        return key, repeat, score_held_out(own[key], train[picture], ~train[picture], settings.seed + repeat, strengths)

    sums = {key: np.zeros((settings.repeats, len(labels), len(settings.classes))) for key in own}
    times = {key: np.zeros((settings.repeats, len(labels), 1)) for key in own}
    penalties: dict[FitKey, list[float]] = {key: [] for key in own}
    # One thread a fit and several fits at once: matrices are small, and threads that wait for each other burn a core.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, (key, repeat, held) in enumerate(pool.map(score, jobs), start=1):
            sums[key][repeat, held.pictures] += held.probabilities
            times[key][repeat, held.pictures] += 1
            penalties[key].append(held.c)
            progress(title, done, len(jobs))
    return {key: (list(sums[key] / times[key]), penalties[key]) for key in own}


def _deal(
    labels: NDArray[np.intp], names: NDArray[np.str_], learnt: NDArray[np.bool_], count: int, seed: int
) -> NDArray[np.intp]:
    """The fold that holds each picture out; -1 for those that are never learnt from."""
    folds = np.full(len(labels), -1, np.intp)
    folds[learnt] = assign_folds(labels[learnt], names[learnt].tolist(), ["one"] * int(learnt.sum()), count, seed)
    return folds


def _scored(probabilities: NDArray[np.float64], system: System, comparison: Comparison) -> Scored:
    """Frames and sequences as the system scores them; at the field's prevalence where one is given."""
    settings, sequences = comparison.settings, comparison.sequences
    if settings.prevalence is not None:
        probabilities = at_prevalence(probabilities, settings.prevalence)
    counts = np.bincount(sequences)
    positive = 1 - probabilities[:, 0]
    if system.ensemble:
        sums = np.stack([np.bincount(sequences, column) for column in probabilities.T], axis=1)
        probabilities = (sums / counts[:, np.newaxis])[sequences]
        scores = 1 - (sums / counts[:, np.newaxis])[:, 0]
    else:
        scores = np.zeros(len(counts))
        np.maximum.at(scores, sequences, positive)
    truth = np.bincount(sequences, comparison.labels > 0) > 0
    return Scored(probabilities, comparison.labels, sequences, scores, truth)


def at_prevalence(probabilities: NDArray[np.float64], prevalence: float) -> NDArray[np.float64]:
    """Probabilities for equal classes (rows sum to 1), restated for positives being that rare (Bayes' rule)."""
    classes = probabilities.shape[1]
    prior = np.array([1 - prevalence] + [prevalence / (classes - 1)] * (classes - 1))
    weighted = probabilities * prior
    result: NDArray[np.float64] = weighted / weighted.sum(axis=1, keepdims=True)
    return result
