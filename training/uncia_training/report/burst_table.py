"""Scores of single bursts: with and without regions, and of bursts that were not used for training.

Decides the content of `regions` and `never_learnt_from` in `report.json`. Regions do not change stills, so their effect
is measured on the bursts in which they were found, by the difference of the scores.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_training.comparison.compare import Comparison, SystemScores
from uncia_training.comparison.figures import frame_figures, sequence_figures, sequences
from uncia_training.comparison.systems import OURS, OURS_ON_WHOLE_FRAMES
from uncia_training.fitting.intervals import of_difference
from uncia_training.fitting.metrics import figures
from uncia_training.fitting.resampling import DRAWS, Dealt, weights_of_draws


def regions(comparison: Comparison) -> dict[str, Any] | None:
    """The effect of regions on uncia, on the bursts in which they were found; None if it cannot be measured."""
    own = {one.system.name: one.own for one in comparison.results if one.system.name in (OURS, OURS_ON_WHOLE_FRAMES)}
    found = sorted({int(comparison.sequences[number]) for number in comparison.regions})
    if len(own) < 2 or not found:
        return None
    scores = {name: one.scored.sequence_scores[found] for name, one in own.items()}
    truth = own[OURS].scored.sequence_truth[found]
    right = {name: _right(one, found) for name, one in own.items()}
    units = sequences(own[OURS].repeats, np.array(found)).units
    return {
        "pictures": len(comparison.regions),
        "sequences": len(found),
        "right": {"with": right[OURS], "without": right[OURS_ON_WHOLE_FRAMES]},
        "positives": _gain(scores, truth, units),
        "negatives": _gain(scores, ~truth, units),
        "bursts": [
            {
                **_burst(comparison, number),
                "with": float(scores[OURS][row]),
                "without": float(scores[OURS_ON_WHOLE_FRAMES][row]),
            }
            for row, number in enumerate(found)
        ],
    }


def _right(scores: SystemScores, found: Sequence[int]) -> float:
    """The number of these bursts with a right verdict, mean of the deals."""
    deals = [(one.sequence_scores[found] >= scores.threshold) == one.sequence_truth[found] for one in scores.repeats]
    return float(np.mean([right.sum() for right in deals]))


def _gain(scores: dict[str, NDArray[np.float64]], chosen: NDArray[np.bool_], units: NDArray[np.intp]) -> dict[str, Any]:
    """The mean difference of the bursts' scores, with - without regions; its 95 % interval over units."""
    gains = (scores[OURS] - scores[OURS_ON_WHOLE_FRAMES])[chosen]
    raised, spread = float(gains.mean()) if len(gains) else None, None
    if raised is not None:
        none = Dealt(np.zeros(len(gains), bool), gains[np.newaxis], units[chosen])
        weights = weights_of_draws(none, DRAWS, np.random.default_rng(0))
        spread = of_difference(raised, weights @ gains / weights.sum(axis=1), none.negative_units)
    return {"sequences": len(gains), "raised_by": raised, "raised_by_interval": spread}


def _burst(comparison: Comparison, number: int) -> dict[str, Any]:
    frames = np.flatnonzero(comparison.sequences == number)
    first = comparison.inspection.pictures[frames[0]]
    return {
        "sequence": first.sequence or first.file,
        "source": first.source,
        "label": first.label,
        "frames": len(frames),
        "frames_with_region": sum(int(frame) in comparison.regions for frame in frames),
        "never_learnt_from": first.never_learnt,
    }


def never_learnt_from(comparison: Comparison, negatives_per_day: float) -> dict[str, Any] | None:
    """Each system's figures and scores of the sequences of split `test`; None if there are none."""
    test = comparison.unseen
    if not test.any():
        return None
    numbers = np.flatnonzero(comparison.unseen_sequences)
    rows = list(_rows(comparison))
    return {
        "pictures": int(test.sum()),
        "sequences": len(numbers),
        "systems": [
            {
                "name": name,
                "frames": frame_figures(one.singly, one.threshold, test),
                "sequences": sequence_figures(
                    figures(sequences(one.singly, numbers), one.threshold), negatives_per_day
                ),
            }
            for name, one in rows
        ],
        "bursts": [
            {**_burst(comparison, int(number)), "scores": _system_scores(comparison, int(number), rows)}
            for number in numbers
        ],
    }


def _rows(comparison: Comparison) -> Iterator[tuple[str, SystemScores]]:
    """Every row of the report: each system, and its int8 bundles if they are scored separately."""
    for one in comparison.results:
        yield one.system.name, one.own
        if one.on_trap is not None:
            yield f"{one.system.name}, int8", one.on_trap


def _system_scores(
    comparison: Comparison, number: int, rows: Sequence[tuple[str, SystemScores]]
) -> list[dict[str, Any]]:
    frames = comparison.sequences == number
    return [
        {
            "system": name,
            "frames": one.scored.alone[frames].tolist(),
            "sequence": float(one.scored.sequence_scores[number]),
            "alarm": bool(one.scored.sequence_scores[number] >= one.threshold),
        }
        for name, one in rows
    ]
