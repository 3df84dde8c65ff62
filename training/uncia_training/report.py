"""`report.json`: what a comparison found, in numbers, under documented names (docs/training.md).

Decides which figures are reported and what they are called. The page for people is made from the same content.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from uncia_contract.exif import parse_time
from uncia_training.compare import Comparison, Result
from uncia_training.figures import by_name, calibration, confusion, frame_figures, sequence_figures
from uncia_training.metrics import measure
from uncia_training.runs import surroundings

SCHEMA = "uncia.comparison/1"
NEGATIVES_PER_DAY = 20.0  # sequences a trap records of other animals, grass and nothing, where the data do not tell
CONFIDENT = 0.9
LABEL_ERRORS = 30


def report(comparison: Comparison, negatives_per_day: float | None = None) -> dict[str, Any]:
    """The content of `report.json`."""
    rate, origin = _negatives_per_day(comparison, negatives_per_day)
    settings = comparison.settings
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
            "threshold": settings.threshold,
            "prevalence": settings.prevalence,
            "negatives_per_day": rate,
            "negatives_per_day_from": origin,
        },
        "data": _data(comparison),
        "systems": [_system(result, comparison, rate) for result in comparison.results],
        "label_errors": label_errors(comparison),
        "warnings": comparison.warnings,
        "failures": msgspec.to_builtins(comparison.failures),
        "surroundings": surroundings(),
    }


def _data(comparison: Comparison) -> dict[str, Any]:
    seen = comparison.survey
    test = [picture.is_test for picture in seen.pictures]
    return {
        "pictures": len(seen.pictures),
        "labels": dict(sorted(Counter(picture.label for picture in seen.pictures).items())),
        "sequences": int(comparison.sequences.max()) + 1,
        "positive_sequences": int(np.unique(comparison.sequences[comparison.labels > 0]).size),
        "units": len(set(comparison.units)),
        "with_regions": len(comparison.regions),
        "infrared": seen.lights.count("infrared"),
        "never_learnt_from": sum(test),
    }


def _system(result: Result, comparison: Comparison, negatives_per_day: float) -> dict[str, Any]:
    scored, threshold = result.scored, comparison.settings.threshold
    seen = comparison.survey
    lights = np.asarray(seen.lights)
    content = {
        "name": result.system.name,
        "text": result.system.text,
        "frames": frame_figures(scored, threshold),
        "sequences": sequence_figures(scored, threshold, negatives_per_day),
        "light": {light: frame_figures(scored, threshold, lights == light) for light in sorted(set(seen.lights))},
        "locations": by_name(scored, [picture.location or "(no location)" for picture in seen.pictures], threshold),
        "sources": by_name(scored, [picture.source or "(no source)" for picture in seen.pictures], threshold),
        "calibration": calibration(scored),
        "confusion": {"classes": comparison.settings.classes, "counts": confusion(scored, threshold)},
        "penalties": sorted(Counter(result.penalties).items()),
        "repeats": [
            msgspec.to_builtins(measure(one.truth.tolist(), one.scores.tolist(), threshold)) for one in result.repeats
        ],
    }
    if result.random is not None:
        content["random_split"] = {
            "frames": frame_figures(result.random, threshold),
            "sequences": sequence_figures(result.random, threshold, negatives_per_day),
        }
    return content


def speaker(comparison: Comparison) -> Result:
    """The system whose errors are shown: the one that ranks frames best."""
    return max(
        comparison.results,
        key=lambda one: measure(one.scored.truth.tolist(), one.scored.scores.tolist()).roc_auc or 0.0,
    )


def label_errors(comparison: Comparison) -> list[dict[str, Any]]:
    """Pictures whose label the best system, which never saw them, contradicts with at least 0.9; the surest first.

    And pictures that are near-duplicates of one another with different labels.
    """
    scored, seen = speaker(comparison).scored, comparison.survey
    against = np.where(scored.truth, 1 - scored.scores, scored.scores)
    unsure = [
        {"file": seen.pictures[index].file, "label": seen.pictures[index].label, "score": float(scored.scores[index]),
         "reason": "contradicted by held-out scores"}
        for index in np.argsort(-against, kind="stable")[:LABEL_ERRORS]
        if against[index] >= CONFIDENT
    ]  # fmt: skip
    groups: dict[int, list[int]] = {}
    for index, number in enumerate(seen.duplicates):
        groups.setdefault(number, []).append(index)
    return unsure + [
        {"file": seen.pictures[index].file, "label": seen.pictures[index].label, "score": float(scored.scores[index]),
         "reason": f"looks like {seen.pictures[members[0]].file}, which is labelled {seen.pictures[members[0]].label}"}
        for members in groups.values()
        for index in members[1:]
        if seen.pictures[index].label != seen.pictures[members[0]].label
    ][:LABEL_ERRORS]  # fmt: skip


def _negatives_per_day(comparison: Comparison, given: float | None) -> tuple[float, str]:
    """How many negative sequences a trap records a day: given, else measured where all have times and places."""
    if given is not None:
        return given, "given"
    spans: dict[str, list[datetime]] = {}
    negatives = set()
    for picture, label, sequence in zip(
        comparison.survey.pictures, comparison.labels, comparison.sequences, strict=True
    ):
        if label > 0:
            continue
        negatives.add(int(sequence))
        time = parse_time(picture.datetime)
        if time is None or not picture.location:
            return NEGATIVES_PER_DAY, "assumed, for not all pictures have a time and a place"
        spans.setdefault(picture.location, []).append(time)
    days = sum((max(times).date() - min(times).date()).days + 1 for times in spans.values())
    return len(negatives) / max(days, 1), f"measured: {len(negatives)} sequences in {days} trap days"


def line(figures: dict[str, Any], names: Sequence[str] = ("accuracy", "roc_auc", "average_precision")) -> str:
    """Figures with their intervals, for a terminal."""
    return ", ".join(f"{name.replace('_', ' ')} {figure(figures, name)}" for name in names)


def figure(figures: dict[str, Any], name: str) -> str:
    """One figure with its interval, or a dash."""
    value, spread = figures.get(name), figures.get(f"{name}_interval")
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({spread[0]:.3f}–{spread[1]:.3f})" if spread else "")
