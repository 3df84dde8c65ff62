"""What a comparison leaves of each system that a trap can run: the same folder that `uncia-train fit` leaves.

Decides that the head is fitted once more, on everything that may be learnt from, by the same recipe; and which figures
it bears: those of the comparison, from pictures that the fits behind them did not see. `uncia-convert bundle RUN_DIR
--system NAME` packs it.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import DataError
from uncia_contract.model.manifest import Source
from uncia_contract.runs.run_folder import RUN_SYSTEMS, Run
from uncia_training.comparison.compare import Comparison, Result
from uncia_training.comparison.cross_validation import parallel_fits
from uncia_training.comparison.fold_fit import HeadFit, Recipe, fit_head
from uncia_training.comparison.systems import FitKey, System
from uncia_training.datasets.region_crops import Crop
from uncia_training.fitting.fold_heads import fold_heads
from uncia_training.run_folder import fingerprint, newest, sources_of, surroundings, write_run

MOST_LETTERS = 63


def leave_runs(
    out: Path,
    comparison: Comparison,
    content: dict[str, Any],
    sources: Sequence[Source] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Leaves a run for each system that packs, in `out/systems/NAME`; gives their names.

    Args:
        out: the comparison's folder.
        comparison: with its rows, which are read once more.
        content: of `report.json`, for the figures.
        sources: licence, attribution and doubts of each source that is known.
        progress: told how many of how many heads are fitted.

    Raises:
        StorageError: a folder cannot be written.
    """
    if comparison.backbone is None:
        return []
    learnt = [picture for picture in comparison.inspection.pictures if not picture.never_learnt]
    figures = {one["name"]: one for one in content["systems"]}
    packed = [result for result in comparison.results if result.system.packs]
    heads = _heads(comparison, [result.system for result in packed], progress)
    for result in packed:
        crops, fitted = heads[result.system.on_trap.fit]
        run = _run(comparison, result, fitted, figures[result.system.name], sources)
        gate = fold_heads(learnt, [crop.picture for crop in crops], fitted.trials[0])
        write_run(out / RUN_SYSTEMS / result.system.name, run, fitted.head, comparison.backbone, learnt, gate)
    return [result.system.name for result in packed]


def _heads(
    comparison: Comparison, systems: Sequence[System], progress: Callable[[int, int], None]
) -> dict[FitKey, tuple[Sequence[Crop], HeadFit]]:
    """What was looked at and the head, for each fit that these systems need; several are made at once."""
    recipe = Recipe(comparison.settings.seed, comparison.settings.prior)
    learnt = np.array([not picture.never_learnt for picture in comparison.inspection.pictures])
    keys = list(dict.fromkeys(system.on_trap.fit for system in systems))

    def fit(key: FitKey) -> tuple[Sequence[Crop], HeadFit]:
        rows = comparison.rows[key]
        side = rows.of(learnt[rows.picture] & rows.learnt)
        return side.crops, fit_head(side, recipe)

    made = {}
    with parallel_fits(fit, keys) as fitted:
        for key, one in zip(keys, fitted, strict=True):
            made[key] = one
            progress(len(made), len(keys))
    return made


def _run(
    comparison: Comparison, result: Result, fitted: HeadFit, figures: dict[str, Any], sources: Sequence[Source]
) -> Run:
    settings, system = comparison.settings, result.system
    learnt = [picture for picture in comparison.inspection.pictures if not picture.never_learnt]
    threshold = fitted.thresholds[0]
    bundled = figures.get("int8", figures)
    return Run(
        name=bundle_name(settings.positive, system.name),
        created_at=newest(learnt),
        labels=settings.classes,
        positive_labels=settings.positive,
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(threshold.value),
        metrics={"frames": bundled["frames"], "sequences": bundled["sequences"]},
        training={
            "fingerprint": fingerprint(learnt),
            "pictures": dict(sorted(Counter(picture.label for picture in learnt).items())),
            "seed": settings.seed,
            "system": system.name,
            "views": system.augmentations,
            "penalty": {"c": fitted.trials[0].c, "tried": {str(one.c): [one.loss, one.error] for one in fitted.trials}},
            "failures": msgspec.to_builtins(comparison.failures),
        },
        surroundings=surroundings(),
        sources=sources_of(learnt, sources),
        logit_range=fitted.logit_range,
        regions=system.regions,
        calibration_prior=settings.prevalence or 0.5,
        notes=tuple(note for note in (threshold.note, _aggregation_note(system)) if note),
    )


def _aggregation_note(system: System) -> str | None:
    if system.ensemble:
        return None
    return f"{system.name} was compared by its sequences' highest frame; a trap decides by the mean of the frames."


def bundle_name(positive: Sequence[str], system: str) -> str:
    """Such as `snow-leopard-rn3-a-e`: small letters, digits and hyphens, as a manifest asks for.

    Raises:
        DataError: nothing is left of the labels.
    """
    name = re.sub(r"[^a-z0-9]+", "-", f"{'-'.join(positive)}-{system}".lower()).strip("-")[:MOST_LETTERS].strip("-")
    if not name:
        raise DataError(f"no name for a bundle can be made of {', '.join(positive)}; use letters or digits")
    return name
