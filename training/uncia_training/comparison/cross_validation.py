"""Cross-validates every fit and keeps the scores of each fold in the cache, so that a rerun fits only what is missing.

Decides the folds, and the name of a fit's result in the cache (`CACHE/fits`): a hash of the contents of both sides'
rows, labels, units, recipe, networks and versions. Everything that changes the result changes the name.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError, DataError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.model.heads import LogisticHead, head_from_bytes, head_to_bytes
from uncia_contract.npz import read_arrays, write_arrays
from uncia_contract.runs.labels import SequenceKey, sequence_key
from uncia_training.comparison.bundle_scores import pack, score_bursts
from uncia_training.comparison.fold_fit import FoldScores, score_held_out
from uncia_training.features.backbone_folder import BackboneFolder
from uncia_training.fitting.head_fit import FitKey, Recipe, Rows, fit_head, parallel_fits
from uncia_training.fitting.learning_set import LearningSet
from uncia_training.fitting.selection import assign_folds

VERSIONS = ("uncia", "numpy", "scikit-learn", "scipy", "Pillow", "ai-edge-litert")
FORMAT = "held/3"  # part of the names in the cache
LEAST_TO_LEARN = 2  # pictures of a class on a training side: one to fit on and one to choose the penalty with


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The plan of a cross-validation: the data, each picture's unit, the numbers of repeats and folds, the recipe."""

    learning: LearningSet
    units: NDArray[np.str_]
    repeats: int
    folds: int
    recipe: Recipe
    backbone: BackboneFolder | None

    def assign(self, repeat: int) -> NDArray[np.intp]:
        """The fold that holds each picture out, (pictures,); -1 for those of split `test` and `tune`."""
        learnt, labels = ~self.learning.unseen, self.learning.labels
        folds = np.full(len(labels), -1, np.intp)
        names = self.units[learnt].tolist()
        folds[learnt] = assign_folds(labels[learnt], names, self.folds, self.recipe.seed + repeat)
        return folds

    def check(self, assigned: NDArray[np.intp]) -> None:
        """Checks that each training side has enough pictures of every class to choose a penalty with.

        Raises:
            DataError: a training side has fewer than two pictures of a class.
        """
        for fold, (label, name) in product(range(self.folds), enumerate(self.learning.settings.classes)):
            left = np.flatnonzero((assigned != fold) & (assigned >= 0) & (self.learning.labels == label))
            if len(left) < LEAST_TO_LEARN:
                files = ", ".join(self.learning.inspection.pictures[int(number)].file for number in left) or "none"
                raise DataError(
                    f"{name!r}: one training side of the split has {len(left)} picture ({files}); at least "
                    f"{LEAST_TO_LEARN} are needed; add pictures"
                )


@dataclass(frozen=True, eq=False)
class CrossValidatedScores:
    """The scores of one kind of fit: probabilities (pictures, classes) of each repeat, chosen penalties and thresholds.

    Pictures of split `test` and `tune` are scored by all fits of a repeat: `probabilities` has the mean, `singly` (one
    array for each fit) the fit's own, and `folds` (pictures,) of each repeat is -1. `heads` has for each picture the
    head that scored it in the first repeat, if heads are kept.
    """

    probabilities: list[NDArray[np.float64]]
    singly: list[NDArray[np.float64]]
    folds: list[NDArray[np.intp]]
    penalties: list[float]
    thresholds: list[tuple[float | None, float | None]]
    heads: dict[int, LogisticHead]


def cross_validate(
    plan: CrossValidation, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[FitKey, CrossValidatedScores]:
    """Fits and scores every kind of fit on every fold of every repeat; results in the cache are used again."""
    assigned = [plan.assign(repeat) for repeat in range(plan.repeats)]
    for folds in assigned:
        plan.check(folds)
    own = {key: replace(one, units=plan.units[one.picture]) for key, one in plan.learning.rows.items()}
    jobs = list(product(own, range(plan.repeats), range(plan.folds)))
    gathered: dict[FitKey, list[tuple[int, FoldScores]]] = {key: [] for key in own}

    def run(job: tuple[FitKey, int, int]) -> tuple[FitKey, int, FoldScores]:
        key, repeat, fold = job
        learnt = (assigned[repeat] != fold) & (assigned[repeat] >= 0)
        recipe = replace(plan.recipe, seed=plan.recipe.seed + repeat)
        return key, repeat, _fold_scores(key, own[key], learnt, replace(plan, recipe=recipe))

    with parallel_fits(run, jobs) as outcomes:
        for done, (key, repeat, scores) in enumerate(outcomes, start=1):
            gathered[key].append((repeat, scores))
            progress(done, len(jobs))
    return {key: _combined(one, plan, assigned) for key, one in gathered.items()}


def _combined(
    parts: Sequence[tuple[int, FoldScores]], plan: CrossValidation, assigned: list[NDArray[np.intp]]
) -> CrossValidatedScores:
    sums = np.zeros((plan.repeats, len(plan.units), len(plan.learning.settings.classes)))
    times = np.zeros((plan.repeats, len(plan.units), 1))
    heads: dict[int, LogisticHead] = {}
    for repeat, scores in parts:
        sums[repeat, scores.pictures] += scores.probabilities
        times[repeat, scores.pictures] += 1
        if repeat == 0 and scores.head is not None:
            heads |= dict.fromkeys(scores.pictures.tolist(), scores.head)
    means = list(sums / times)
    return CrossValidatedScores(
        probabilities=means,
        singly=[_single(means[repeat], scores, assigned[repeat]) for repeat, scores in parts],
        folds=assigned,
        penalties=[scores.c for _, scores in parts],
        thresholds=[scores.thresholds for _, scores in parts],
        heads=heads,
    )


def _single(means: NDArray[np.float64], scores: FoldScores, folds: NDArray[np.intp]) -> NDArray[np.float64]:
    unseen = folds[scores.pictures] < 0
    own = means.copy()
    own[scores.pictures[unseen]] = scores.probabilities[unseen]
    return own


def _fold_scores(key: FitKey, rows: Rows, learnt: NDArray[np.bool_], plan: CrossValidation) -> FoldScores:
    """The result of one fit: from the cache, or computed and stored there."""
    train = rows.of(learnt[rows.picture] & rows.learnt)
    held_out = rows.of(~learnt[rows.picture] & rows.scored)
    path = plan.learning.settings.cache / "fits" / f"{_cache_name(key, train, held_out, plan)}.npz"
    if (found := _read(path)) is not None:
        return found
    on_trap = key.features == "int8"
    scores = _on_trap(key, train, held_out, plan) if on_trap else score_held_out(train, held_out, plan.recipe)
    _write(path, scores)
    return scores


def _on_trap(key: FitKey, train: Rows, held_out: Rows, plan: CrossValidation) -> FoldScores:
    """Fits a head, packs it, and scores held-out pictures with the trap's code, each within its whole sequence."""
    if plan.backbone is None:
        raise BundleError("int8 features without their network")
    learning, pictures = plan.learning, plan.learning.inspection.pictures
    fitted = fit_head(train, plan.recipe)
    bundle = pack(fitted.head, plan.backbone, learning.settings.positive, regions=key.regions)
    bursts: dict[SequenceKey, list[int]] = {}
    for number, picture in enumerate(pictures):
        bursts.setdefault(sequence_key(picture), []).append(number)
    wanted = dict.fromkeys(sequence_key(pictures[number]) for number in held_out.picture)
    members = [bursts[name] for name in wanted]
    scored = score_bursts(bundle, [[pictures[number] for number in one] for one in members], learning.views)
    place = {
        number: row for one, rows in zip(members, scored, strict=True) for number, row in zip(one, rows, strict=True)
    }
    probabilities = np.array([place[number] for number in held_out.picture.tolist()])
    found = tuple(one.value if one.recall is not None else None for one in fitted.thresholds)
    return FoldScores(probabilities, held_out.picture, fitted.trials[0].c, (found[0], found[1]), fitted.head)


def _cache_name(key: FitKey, train: Rows, held_out: Rows, plan: CrossValidation) -> str:
    whole = hashlib.sha256(FORMAT.encode())
    recipe = plan.recipe
    versions = [f"{name} {metadata.version(name)}" for name in VERSIONS]
    prior = None if recipe.prior is None else recipe.prior.tolist()
    settings = (key, train.stored.name, plan.learning.settings.positive, recipe.seed, recipe.strengths, prior, versions)
    whole.update(repr(settings).encode())
    for rows in (train, held_out):
        files = [f"{crop.picture.sequence}|{crop.region}" for crop in rows.crops]
        parts = ("\n".join(rows.keys), rows.labels.tolist(), rows.units.tolist(), rows.picture.tolist(), files)
        whole.update(repr(parts).encode())
    return whole.hexdigest()


def _read(path: Path) -> FoldScores | None:
    try:
        stored = read_arrays(path.read_bytes(), path.name)
        head = head_from_bytes(stored["head"].tobytes()) if "head" in stored else None
        thresholds = [None if np.isnan(value) else float(value) for value in stored["thresholds"]]
        return FoldScores(
            stored["probabilities"], stored["pictures"], float(stored["c"]), (thresholds[0], thresholds[1]), head
        )
    except (OSError, ValueError, KeyError):
        return None  # missing, or cut off by an interruption: it is computed again


def _write(path: Path, scores: FoldScores) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "probabilities": scores.probabilities,
        "pictures": scores.pictures,
        "c": np.array(scores.c),
        "thresholds": np.array([np.nan if value is None else value for value in scores.thresholds]),
    }
    if scores.head is not None:
        arrays["head"] = np.frombuffer(head_to_bytes(scores.head), np.uint8)
    with storage_errors(path, "; give another --cache DIR"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, write_arrays(arrays))
