"""Held-out scores of every fit, fold and repeat, kept as they come: what an interruption leaves is not fitted again.

Decides the folds, and what names a fit's outcome in the cache (`CACHE/fits`): the rows on both sides by their content,
labels, units, recipe, networks and versions. Whatever would change the outcome changes the name.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from uncia_contract.errors import BundleError, DataError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.model.heads import LogisticHead, head_from_bytes, head_to_bytes
from uncia_contract.npz import read_arrays, write_arrays
from uncia_contract.runs.labels import LabelledPicture, sequence_key
from uncia_training.comparison.systems import FitKey
from uncia_training.comparison.trap_side import pack, score_bursts
from uncia_training.comparison.trial import Held, Recipe, Rows, fit_head, score_held_out
from uncia_training.datasets.readers import NEGATIVE
from uncia_training.features.backbone_folder import BackboneFolder
from uncia_training.fitting.selection import assign_folds
from uncia_training.parallel import parallel_map

VERSIONS = ("uncia", "numpy", "scikit-learn", "scipy", "Pillow", "ai-edge-litert")
FORMAT = "held/3"
LEAST_TO_LEARN = 2  # pictures of a class: one to fit on while the other tells how well
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Task:
    """What is fitted on what: the pictures, the folds of each repeat (-1: never learnt from), and the settings."""

    pictures: Sequence[LabelledPicture]
    labels: NDArray[np.intp]
    units: NDArray[np.str_]
    positive: tuple[str, ...]
    repeats: int
    folds: int
    seed: int
    prior: NDArray[np.float64] | None
    backbone: BackboneFolder | None
    cache: Path

    def deal(self, repeat: int) -> NDArray[np.intp]:
        """The fold that holds each picture out; -1 for those that are never learnt from."""
        learnt = np.array([not picture.is_test for picture in self.pictures])
        folds = np.full(len(self.labels), -1, np.intp)
        names = self.units[learnt].tolist()
        folds[learnt] = assign_folds(self.labels[learnt], names, ["one"] * len(names), self.folds, self.seed + repeat)
        return folds

    def check(self, dealt: NDArray[np.intp]) -> None:
        """Nothing, if each side that is learnt from has pictures of every class to choose a penalty with.

        Raises:
            DataError: some side has one only, or none.
        """
        for fold, (label, name) in product(range(self.folds), enumerate((NEGATIVE, *self.positive))):
            left = np.flatnonzero((dealt != fold) & (dealt >= 0) & (self.labels == label))
            if len(left) < LEAST_TO_LEARN:
                files = ", ".join(self.pictures[int(number)].file for number in left) or "none"
                raise DataError(
                    f"{name!r}: one side of the split would learn from {len(left)} picture ({files}); at least "
                    f"{LEAST_TO_LEARN} are needed; add pictures"
                )


@dataclass(frozen=True, eq=False)
class HeldScores:
    """Of one fit: probabilities (pictures, classes) of each repeat, the penalties and thresholds chosen, and the head
    that scored each picture in the first repeat, where heads are kept."""

    probabilities: list[NDArray[np.float64]]
    penalties: list[float]
    thresholds: list[tuple[float | None, float | None]]
    heads: dict[int, LogisticHead]


def held_scores(
    rows: dict[FitKey, Rows], task: Task, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[FitKey, HeldScores]:
    """Fits and scores every fit on every fold of every repeat; what the cache has is taken from there."""
    dealt = [task.deal(repeat) for repeat in range(task.repeats)]
    for folds in dealt:
        task.check(folds)
    own = {key: replace(one, units=task.units[one.picture]) for key, one in rows.items()}
    jobs = list(product(own, range(task.repeats), range(task.folds)))
    gathered: dict[FitKey, list[tuple[int, Held]]] = {key: [] for key in own}

    def run(job: tuple[FitKey, int, int]) -> tuple[FitKey, int, Held]:
        key, repeat, fold = job
        learnt = (dealt[repeat] != fold) & (dealt[repeat] >= 0)
        return key, repeat, _kept(key, own[key], learnt, replace(task, seed=task.seed + repeat))

    with parallel_fits(run, jobs) as outcomes:
        for done, (key, repeat, held) in enumerate(outcomes, start=1):
            gathered[key].append((repeat, held))
            progress(done, len(jobs))
    return {key: _together(one, task) for key, one in gathered.items()}


@contextmanager
def parallel_fits(fit: Callable[[J], R], jobs: Sequence[J]) -> Iterator[Iterator[R]]:
    """The results of several fits at a time, in the order of the jobs; leaving the block cancels waiting fits.

    Each fit has one thread: its matrices are small, and BLAS threads that wait for each other would keep a core busy.
    """
    with threadpool_limits(1), closing(parallel_map(fit, jobs, os.cpu_count() or 1)) as results:
        yield results


def _together(parts: Sequence[tuple[int, Held]], task: Task) -> HeldScores:
    sums = np.zeros((task.repeats, len(task.labels), len(task.positive) + 1))
    times = np.zeros((task.repeats, len(task.labels), 1))
    heads: dict[int, LogisticHead] = {}
    for repeat, held in parts:
        sums[repeat, held.pictures] += held.probabilities
        times[repeat, held.pictures] += 1
        if repeat == 0 and held.head is not None:
            heads |= dict.fromkeys(held.pictures.tolist(), held.head)
    return HeldScores(list(sums / times), [held.c for _, held in parts], [held.thresholds for _, held in parts], heads)


def _kept(key: FitKey, rows: Rows, learnt: NDArray[np.bool_], task: Task) -> Held:
    """One fit's outcome, from the cache or made and put there."""
    side = rows.of(learnt[rows.picture])
    asked = rows.of(~learnt[rows.picture] & rows.scored)
    path = task.cache / "fits" / f"{_name(key, side, asked, task)}.npz"
    if (found := _read(path)) is not None:
        return found
    recipe = Recipe(task.seed, task.prior)
    held = _on_trap(key, side, asked, task, recipe) if key[0] == "int8" else score_held_out(side, asked, recipe)
    _write(path, held)
    return held


def _on_trap(key: FitKey, side: Rows, asked: Rows, task: Task, recipe: Recipe) -> Held:
    """Fits a head, packs it, and lets the trap's code score the held-out pictures, each within its whole sequence."""
    if task.backbone is None:
        raise BundleError("int8 features without their network")
    fitted = fit_head(side, recipe)
    bundle = pack(fitted.head, task.backbone, task.positive, regions=key[2])
    bursts: dict[tuple[str, str], list[int]] = {}
    for number, picture in enumerate(task.pictures):
        bursts.setdefault(sequence_key(picture), []).append(number)
    wanted = dict.fromkeys(sequence_key(task.pictures[number]) for number in asked.picture)
    members = [bursts[name] for name in wanted]
    scored = score_bursts(bundle, [[task.pictures[number] for number in one] for one in members])
    place = {
        number: row for one, rows in zip(members, scored, strict=True) for number, row in zip(one, rows, strict=True)
    }
    probabilities = np.array([place[number] for number in asked.picture.tolist()])
    found = tuple(one.value if one.recall is not None else None for one in fitted.thresholds)
    return Held(probabilities, asked.picture, fitted.trials[0].c, (found[0], found[1]), fitted.head)


def _name(key: FitKey, side: Rows, asked: Rows, task: Task) -> str:
    whole = hashlib.sha256(FORMAT.encode())
    recipe = Recipe(task.seed, task.prior)
    versions = [f"{name} {metadata.version(name)}" for name in VERSIONS]
    prior = None if recipe.prior is None else recipe.prior.tolist()
    told = (key, side.stored.name, task.positive, recipe.seed, recipe.strengths, prior, versions)
    whole.update(repr(told).encode())
    for rows in (side, asked):
        files = [f"{crop.picture.sequence}|{crop.region}" for crop in rows.crops]
        parts = ("\n".join(rows.keys), rows.labels.tolist(), rows.units.tolist(), rows.picture.tolist(), files)
        whole.update(repr(parts).encode())
    return whole.hexdigest()


def _read(path: Path) -> Held | None:
    try:
        stored = read_arrays(path.read_bytes(), path.name)
        head = head_from_bytes(stored["head"].tobytes()) if "head" in stored else None
        thresholds = [None if np.isnan(value) else float(value) for value in stored["thresholds"]]
        return Held(
            stored["probabilities"], stored["pictures"], float(stored["c"]), (thresholds[0], thresholds[1]), head
        )
    except (OSError, ValueError, KeyError):
        return None  # not there, or cut off by an interruption: made anew


def _write(path: Path, held: Held) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "probabilities": held.probabilities,
        "pictures": held.pictures,
        "c": np.array(held.c),
        "thresholds": np.array([np.nan if value is None else value for value in held.thresholds]),
    }
    if held.head is not None:
        arrays["head"] = np.frombuffer(head_to_bytes(held.head), np.uint8)
    with storage_errors(path, "; give another --cache DIR"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, write_arrays(arrays))
