"""Writes a run folder, as `uncia-train fit` does, for each system of a comparison that a trap can run.

Decides that the head is fitted again by the same recipe, on all pictures for training, and which figures it gets: those
of the comparison, from held-out pictures. `uncia-convert bundle RUN_DIR --system NAME` packs it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uncia_contract.model.manifest import Source
from uncia_contract.runs.run_folder import RUN_SYSTEMS
from uncia_training.comparison.compare import Comparison
from uncia_training.comparison.systems import System
from uncia_training.fitting.fit import About, bundle_name, learnt_rows, leave_run
from uncia_training.fitting.head_fit import FitKey, HeadFit, fit_head, parallel_fits


def leave_runs(
    out: Path,
    comparison: Comparison,
    content: dict[str, Any],
    sources: Sequence[Source] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Writes a run for each system that can be a bundle, in `out/systems/NAME`; their names.

    Args:
        out: the comparison's folder.
        comparison: the comparison; its rows are read again.
        content: the content of `report.json`, for the figures.
        sources: licence, attribution and doubts of each known source.
        progress: called with the number of fitted heads and of all heads.

    Raises:
        StorageError: a folder cannot be written.
    """
    if comparison.backbone is None:
        return []
    figures = {one["name"]: one for one in content["systems"]}
    packed = [result.system for result in comparison.results if result.system.packs]
    heads = _heads(comparison, packed, progress)
    for system in packed:
        bundled = figures[system.name].get("int8", figures[system.name])
        about = About(
            name=bundle_name(comparison.settings.positive, system.name),
            metrics={"frames": bundled["frames"], "sequences": bundled["sequences"]},
            training={"system": system.name, "views": system.augmentations},
            notes=_aggregation_notes(system),
            sources=sources,
        )
        key = system.on_trap.fit
        leave_run(out / RUN_SYSTEMS / system.name, comparison, key, heads[key], comparison.backbone, about)
    return [system.name for system in packed]


def _heads(
    comparison: Comparison, systems: Sequence[System], progress: Callable[[int, int], None]
) -> dict[FitKey, HeadFit]:
    """The head of each fit that these systems need; several are fitted in parallel."""
    keys = list(dict.fromkeys(system.on_trap.fit for system in systems))
    made = {}
    with parallel_fits(lambda key: fit_head(learnt_rows(comparison, key), comparison.settings.recipe), keys) as fitted:
        for key, one in zip(keys, fitted, strict=True):
            made[key] = one
            progress(len(made), len(keys))
    return made


def _aggregation_notes(system: System) -> tuple[str, ...]:
    if system.ensemble:
        return ()
    return (f"{system.name} was compared by its sequences' highest frame; a trap decides by the mean of the frames.",)
