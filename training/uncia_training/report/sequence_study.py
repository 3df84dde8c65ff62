"""Measures whether sequences give fewer false alarms than their frames, on bursts that were not used for training.

Decides the content of `study` in `report.json`. The scores of every system are read in three ways at one threshold:
each frame alone, the highest frame of a sequence, the mean of its frames. Every frame is scored. The curves are of
sequences of two or more pictures; the counts by kind and by station also include single pictures.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_training.comparison.compare import Comparison, SystemScores
from uncia_training.comparison.figures import PLACE_DRAWS, LabelledScores
from uncia_training.fitting.metrics import figures
from uncia_training.fitting.resampling import DRAWS, Dealt
from uncia_training.report.plots import POINTS, recalls

READINGS = ("frames", "maximum", "mean")
AT = 0.5  # for probabilities of equal classes; the threshold of the seed paper
LEAST_RATE = 0.002

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]


def sequence_study(comparison: Comparison) -> dict[str, Any] | None:
    """The study; None unless there are bursts of both classes that were not used for training."""
    unseen, lengths = comparison.unseen_sequences, np.bincount(comparison.sequences)
    bursts = unseen & (lengths > 1)
    if len(set(comparison.truth[bursts].tolist())) < 2:
        return None
    named = {one.system.name: one.own for one in comparison.results}
    return {
        "threshold": AT,
        "pictures": int(bursts[comparison.sequences].sum()),
        "sequences": int(bursts.sum()),
        "positives": int(comparison.truth[bursts].sum()),
        "systems": [{"name": name, **_read(scores, bursts)} for name, scores in named.items()],
        "stations": _stations(named, comparison),
        "kinds": _kinds(named, comparison),
    }


def readings(deals: Sequence[LabelledScores], chosen: Mask) -> dict[str, Dealt]:
    """The scores by each fit of the frames, highest frames and means of the chosen sequences, by reading."""
    one = deals[0]
    alone = np.stack([deal.alone for deal in deals])
    highest, sums = np.zeros((2, len(deals), len(chosen)))
    for row, scores in enumerate(alone):
        np.maximum.at(highest[row], one.sequences, scores)
        np.add.at(sums[row], one.sequences, scores)
    frames = chosen[one.sequences]
    units = one.units[np.unique(one.sequences, return_index=True)[1]]
    whole = Dealt(one.sequence_truth, highest, units)
    means = Dealt(one.sequence_truth, sums / np.bincount(one.sequences), units)
    return {
        "frames": Dealt(one.truth, alone, one.units).part(frames),
        "maximum": whole.part(chosen),
        "mean": means.part(chosen),
    }


def _read(scores: SystemScores, bursts: Mask) -> dict[str, Any]:
    """Figures of each reading, and its curve: the recall at each share of false alarms, mean of the fits."""
    found: dict[str, Any] = {}
    rates = np.geomspace(LEAST_RATE, 1, POINTS)
    for name, dealt in readings(scores.singly, bursts).items():
        recall = np.mean([curve for _, curve in recalls(dealt, rates)], axis=0)
        curve = {"false_alarms": rates.tolist(), "recall": recall.tolist()}
        found[name] = {**figures(dealt, AT, DRAWS).as_dict(), "curve": curve}
    return found


def _stations(named: dict[str, SystemScores], comparison: Comparison) -> list[dict[str, Any]]:
    """For each place with a positive label: the number of its positive sequences, and their recall by system."""
    places = [one.location or "(no location)" for one in comparison.inspection.pictures]
    first = np.unique(comparison.sequences, return_index=True)[1]
    of_sequence = np.array(places)[first]
    shown = comparison.unseen_sequences & comparison.truth
    return [
        {
            "station": station,
            "sequences": int(own.sum()),
            "pictures": int(own[comparison.sequences].sum()),
            "systems": {name: _found(scores, own) for name, scores in named.items()},
        }
        for station in np.unique(of_sequence[shown]).tolist()
        for own in [shown & (of_sequence == station)]
    ]


def _found(scores: SystemScores, chosen: Mask) -> dict[str, Any]:
    """The recall by highest frame and by mean; intervals draw sequences, because a station is one unit."""
    content = {}
    for name, dealt in readings(scores.singly, chosen).items():
        one = figures(Dealt(dealt.truth, dealt.scores, np.arange(len(dealt.truth))), AT, PLACE_DRAWS)
        if name != "frames":  # frames of one sequence are not independent trials
            content[name] = {"recall": one.values["recall"], "recall_interval": one.interval("recall")}
    return content


def _kinds(named: dict[str, SystemScores], comparison: Comparison) -> list[dict[str, Any]]:
    """The false alarms of each reading, by source and label of the negative sequences.

    Pictures that were used for training have the scores of the folds that held them out.
    """
    pictures = comparison.inspection.pictures
    first = np.unique(comparison.sequences, return_index=True)[1]
    kinds = [(pictures[n].never_learnt, pictures[n].source, pictures[n].label) for n in first.tolist()]
    content = []
    for kind in sorted({kind for kind, shows in zip(kinds, comparison.truth, strict=True) if not shows}):
        own = np.array([one == kind for one in kinds]) & ~comparison.truth
        content.append(
            {
                "never_learnt": kind[0],
                "source": kind[1],
                "label": kind[2],
                "pictures": int(own[comparison.sequences].sum()),
                "sequences": int(own.sum()),
                "bursts": int((own & (np.bincount(comparison.sequences) > 1)).sum()),
                "systems": {
                    name: _positive_counts(scores.singly if kind[0] else scores.repeats, own)
                    for name, scores in named.items()
                },
            }
        )
    return content


def _positive_counts(deals: Sequence[LabelledScores], chosen: Mask) -> dict[str, float]:
    """The number called positive by each reading, mean of the deals."""
    return {name: float((dealt.scores >= AT).sum(axis=1).mean()) for name, dealt in readings(deals, chosen).items()}
