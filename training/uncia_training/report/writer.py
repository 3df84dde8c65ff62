"""Makes the content of `report.json`: the figures of a comparison under documented names (docs/training.md).

Decides which figures are reported, and their names. The page for people is made from the same content.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from uncia_contract.pictures.exif import parse_time
from uncia_training.comparison.compare import Comparison, Result, SystemScores
from uncia_training.comparison.figures import (
    by_name,
    calibration,
    difference,
    frame_figures,
    frame_labels,
    frames,
    sequence_figures,
    sequence_labels,
    sequences,
)
from uncia_training.comparison.systems import OURS
from uncia_training.fitting.fit import FIGURES_OF
from uncia_training.fitting.label_figures import confusion, label_figures
from uncia_training.fitting.metrics import Figures, figures, values
from uncia_training.fitting.resampling import Dealt
from uncia_training.fitting.threshold_table import threshold_table
from uncia_training.fitting.thresholds import MIN_POSITIVE_SEQUENCES, TARGET_RECALL
from uncia_training.report.burst_table import never_learnt_from, regions
from uncia_training.report.ranking import ranking
from uncia_training.report.sequence_study import sequence_study
from uncia_training.report.tables import figure
from uncia_training.run_folder import surroundings

SCHEMA = "uncia.comparison/1"
NEGATIVES_PER_DAY = 20.0  # negative sequences of a trap a day, if the data do not give the number
CONFIDENT = 0.9
LABEL_ERRORS = 30


@dataclass(frozen=True, eq=False)
class Judged:
    """A system's figures of held-out pictures, and of their sequences."""

    frames: Figures
    sequences: Figures

    def as_dict(self, negatives_per_day: float) -> dict[str, Any]:
        """The figures under their documented names."""
        return {"frames": self.frames.as_dict(), "sequences": sequence_figures(self.sequences, negatives_per_day)}

    def exceeds(self, other: "Judged") -> dict[str, Any]:
        """The differences from `other`, in draws that both share."""
        return {
            "frames": difference(self.frames, other.frames),
            "sequences": difference(self.sequences, other.sequences),
        }


def judge(scores: SystemScores, comparison: Comparison) -> Judged:
    """The figures of one system, each the mean of the deals' figures."""
    return Judged(
        figures(frames(scores.repeats, ~comparison.unseen), scores.threshold),
        figures(sequences(scores.repeats, ~comparison.unseen_sequences), scores.threshold),
    )


def report(comparison: Comparison, negatives_per_day: float | None = None) -> dict[str, Any]:
    """The content of `report.json`."""
    rate, origin = _negatives_per_day(comparison, negatives_per_day)
    settings = comparison.settings
    judged = {one.system.name: judge(one.own, comparison) for one in comparison.results}
    return {
        "schema": SCHEMA,
        "settings": {
            "positive": settings.positive,
            "backbone": settings.network.backbone,
            "cut": settings.network.cut,
            "weights": settings.network.weights,
            "split": "location" if settings.split == "random" else settings.split,
            "random_split_beside": settings.split == "random",
            "repeats": settings.repeats,
            "seed": settings.seed,
            "prevalence": settings.prevalence,
            "figures": FIGURES_OF,
            "negatives_per_day": rate,
            "negatives_per_day_from": origin,
        },
        "data": _data(comparison),
        "systems": [_system(result, comparison, rate, judged) for result in comparison.results],
        "ranking": ranking({name: one.sequences for name, one in judged.items()}),
        "regions": regions(comparison),
        "never_learnt_from": never_learnt_from(comparison, rate),
        "study": sequence_study(comparison),
        "label_errors": label_errors(comparison),
        "warnings": comparison.warnings,
        "failures": msgspec.to_builtins(comparison.failures),
        "surroundings": surroundings(),
    }


def _data(comparison: Comparison) -> dict[str, Any]:
    seen = comparison.inspection
    test = [picture.never_learnt for picture in seen.pictures]
    return {
        "pictures": len(seen.pictures),
        "labels": dict(sorted(Counter(picture.label for picture in seen.pictures).items())),
        "sequences": int(comparison.sequences.max()) + 1,
        "positive_sequences": int(comparison.truth.sum()),
        "units": len(set(comparison.units)),
        "with_regions": len(comparison.regions),
        "infrared": seen.lights.count("infrared"),
        "never_learnt_from": sum(test),
    }


def _system(
    result: Result, comparison: Comparison, negatives_per_day: float, judged: dict[str, Judged]
) -> dict[str, Any]:
    own, ours = judged[result.system.name], judged.get(OURS)
    content = {
        "name": result.system.name,
        "text": result.system.text,
        **own.as_dict(negatives_per_day),
        "threshold": result.own.threshold,
        "threshold_from": _threshold_origin(result.own),
        "thresholds": _thresholds(own, result.own.threshold, comparison, negatives_per_day),
        **_parts(result.own, comparison),
        "calibration": calibration(own.frames.dealt, comparison.settings.positive_share),
        "penalties": sorted(Counter(result.own.penalties).items()),
        "repeats": _repeats(own, result.own.threshold),
    }
    if result.random is not None:
        content["random_split"] = judge(result.random, comparison).as_dict(negatives_per_day)
    if ours is not None and ours is not own:
        content["uncia_exceeds_by"] = ours.exceeds(own)
    if result.on_trap is not None:
        on_trap = judge(result.on_trap, comparison)
        content["int8"] = on_trap.as_dict(negatives_per_day)
        if ours is not None and ours is not own:
            content["int8"]["uncia_exceeds_by"] = ours.exceeds(on_trap)
    return content


def _thresholds(own: Judged, in_use: float, comparison: Comparison, negatives_per_day: float) -> list[dict[str, Any]]:
    """The table of thresholds, for the same sequences as the figures."""
    pictures = np.bincount(comparison.sequences)[~comparison.unseen_sequences]
    dealt = own.sequences.dealt
    return threshold_table(dealt.truth, dealt.scores, pictures, negatives_per_day, in_use)


def _parts(scores: SystemScores, comparison: Comparison) -> dict[str, Any]:
    """Figures of frames by light, place and source, figures of each positive label, and the confusion matrices."""
    seen, deals, threshold = comparison.inspection, scores.repeats, scores.threshold
    held_out, lights = ~comparison.unseen, np.asarray(seen.lights)
    places = [picture.location or "(no location)" for picture in seen.pictures]
    sources = [picture.source or "(no source)" for picture in seen.pictures]
    return {
        "light": {
            light: frame_figures(deals, threshold, held_out & (lights == light))
            for light in np.unique(lights[held_out]).tolist()
        },
        "locations": by_name(deals, places, threshold, held_out),
        "sources": by_name(deals, sources, threshold, held_out),
        **_named(scores, comparison),
    }


def _named(scores: SystemScores, comparison: Comparison) -> dict[str, Any]:
    """Precision and recall of each positive label, and the confusion matrices, of frames and of sequences."""
    classes, deals, threshold = comparison.settings.classes, scores.repeats, scores.threshold
    of_frames = frame_labels(deals, threshold, ~comparison.unseen)
    of_sequences = sequence_labels(deals, threshold, ~comparison.unseen_sequences)
    return {
        "confusion": {"classes": classes, "counts": confusion(of_frames, len(classes))},
        "sequence_confusion": {"classes": classes, "counts": confusion(of_sequences, len(classes))},
        "labels": {
            label: {"frames": label_figures(of_frames, number), "sequences": label_figures(of_sequences, number)}
            for number, label in enumerate(classes)
            if number
        },
    }


def _repeats(judged: Judged, threshold: float) -> list[dict[str, Any]]:
    """The figures of each deal: of frames, and under `sequences` of sequences."""

    def deal(found: Figures, number: int) -> dict[str, Any]:
        one = Dealt(found.dealt.truth, found.dealt.scores[number : number + 1], found.dealt.units)
        return {"n": len(one.truth), **values(one, threshold)}

    return [
        {**deal(judged.frames, number), "sequences": deal(judged.sequences, number)}
        for number in range(len(judged.frames.dealt.scores))
    ]


def _threshold_origin(scores: SystemScores) -> str:
    if scores.chosen:
        return f"mean of those that the folds' training sides chose for a sequence recall of {TARGET_RECALL}"
    return f"recall not estimable: the training sides hold fewer than {MIN_POSITIVE_SEQUENCES} named positive sequences"


def speaker(comparison: Comparison) -> Result:
    """The system whose errors are shown: uncia if it is compared, else the one with the highest ROC AUC of frames."""
    return max(
        comparison.results,
        key=lambda one: (
            one.system.name == OURS,
            values(frames([one.own.scored], comparison.labels >= 0), 0.5)["roc_auc"] or 0.0,
        ),
    )


def label_errors(comparison: Comparison) -> list[dict[str, Any]]:
    """Pictures whose held-out score is at least 0.9 for another class than their label, highest first.

    Then near-duplicates with different classes.
    """
    scored, pictures = speaker(comparison).own.scored, comparison.inspection.pictures
    against = np.where(scored.truth, 1 - scored.scores, scored.scores)

    def row(index: int, reason: str) -> dict[str, Any]:
        score = float(scored.scores[index])
        return {"file": pictures[index].file, "label": pictures[index].label, "score": score, "reason": reason}

    unsure = [
        row(int(index), "contradicted by held-out scores")
        for index in np.argsort(-against, kind="stable")[:LABEL_ERRORS]
        if against[index] >= CONFIDENT
    ]
    return (
        unsure
        + [
            row(index, f"looks like {pictures[first].file}, which is labelled {pictures[first].label}")
            for first, index in _twins(comparison)
        ][:LABEL_ERRORS]
    )


def _twins(comparison: Comparison) -> Iterator[tuple[int, int]]:
    """Near-duplicates with different classes: the number of the first of a group, and of the one that differs."""
    first: dict[int, int] = {}
    for index, number in enumerate(comparison.inspection.duplicates):
        earlier = first.setdefault(number, index)
        if comparison.labels[earlier] != comparison.labels[index]:
            yield earlier, index


def _negatives_per_day(comparison: Comparison, given: float | None) -> tuple[float, str]:
    """The number of negative sequences of a trap a day: the given one, else measured if all have times and places.

    Also where the number is from.
    """
    if given is not None:
        return given, "given"
    spans: dict[str, list[datetime]] = {}
    negatives = set()
    for picture, label, sequence in zip(
        comparison.inspection.pictures, comparison.labels, comparison.sequences, strict=True
    ):
        if label > 0:
            continue
        negatives.add(int(sequence))
        time = parse_time(picture.datetime) or parse_time(
            f"{picture.datetime} 00:00"
        )  # a date without a time is enough here
        if time is None or not picture.location:
            return NEGATIVES_PER_DAY, "assumed, for not all pictures have a time and a place"
        spans.setdefault(picture.location, []).append(time)
    days = sum((max(times).date() - min(times).date()).days + 1 for times in spans.values())
    return len(negatives) / max(days, 1), f"measured: {len(negatives)} sequences in {days} trap days"


def line(figures: dict[str, Any], names: Sequence[str] = ("accuracy", "roc_auc", "average_precision")) -> str:
    """Figures with their intervals, for a terminal, and the accuracy of always saying no."""
    told = ", ".join(f"{name.replace('_', ' ')} {figure(figures, name)}" for name in names)
    return f"{told}; always no {figure(figures, 'always_no_accuracy')}"
