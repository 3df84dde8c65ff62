"""Figures of a bundle's answers for labelled pictures and sequences: overall, by light, and by label.

Decides what is counted, and that intervals draw whole places if the data name places, else sequences.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uncia_contract.pictures.light import Light
from uncia_contract.runs.labels import LabelledPicture, sequence_key, shows
from uncia_training.fitting.intervals import of_share
from uncia_training.fitting.label_figures import Called, label_figures
from uncia_training.fitting.metrics import figures
from uncia_training.fitting.resampling import Dealt, bootstrap
from uncia_training.fitting.threshold_table import threshold_table

Burst = Sequence[LabelledPicture]
NONE = "none"  # the called label of a picture below the threshold


@dataclass(frozen=True)
class Said:
    """The bundle's answer for one picture or one sequence, and the light in which it was taken.

    `label` is the likeliest positive label, also below the threshold.
    """

    burst: Burst
    probability: float
    light: Light
    label: str


def thresholds(
    said: Sequence[Said], positive: Collection[str], in_use: float, days: int | None
) -> list[dict[str, Any]]:
    """The table of thresholds for these sequences; `days` is the number of trap days, None if it is not known."""
    truth = np.array([shows(one.burst, positive) for one in said], bool)
    scores = np.array([[one.probability for one in said]], np.float64)
    per_day = None if days is None else int((~truth).sum()) / days
    return threshold_table(truth, scores, np.array([len(one.burst) for one in said], np.intp), per_day, in_use)


def label_of(burst: Burst, positive: Collection[str]) -> str:
    """The first positive label of a frame; if no frame has one, the label of the first frame."""
    return next((one.label for one in burst if one.label in positive), burst[0].label)


def said_figures(said: Sequence[Said], positive: Collection[str], threshold: float) -> dict[str, Any]:
    """The figures of all these answers, with the number of false alarms."""
    found = figures(_dealt(said, positive), threshold).as_dict()
    negatives = found["n"] - found["positives"]
    alarms = round((found["false_positive_rate"] or 0.0) * negatives)
    return {**found, "threshold": threshold, "accuracy": found["accuracy"] or 0.0, "false_alarms": alarms}


def by_light(said: Sequence[Said], positive: Collection[str], threshold: float) -> dict[str, Any]:
    """The figures of each light."""
    return {
        light: said_figures([one for one in said if one.light == light], positive, threshold)
        for light in sorted({one.light for one in said})
    }


def by_label(said: Sequence[Said], positive: Collection[str], threshold: float) -> dict[str, Any]:
    """For each label the number called positive, and as which label: found if it is positive, else false alarms.

    A positive label also has its own precision and recall; if it is called another label, it is not found.
    """
    classes = [NONE, *positive]
    truth = [label_of(one.burst, positive) for one in said]
    called = [one.label if one.probability >= threshold else NONE for one in said]
    number = {label: place for place, label in enumerate(classes)}
    named = Called(
        np.array([number.get(label, 0) for label in truth], np.intp),
        np.array([[number[label] for label in called]], np.intp),
        _dealt(said, positive).units,
    )
    pairs = Counter(zip(truth, called, strict=True))
    return {
        label: _called([one for one, shown in zip(said, truth, strict=True) if shown == label], positive, threshold)
        | {"called": {name: pairs[label, name] for name in classes}}
        | (label_figures(named, number[label]) if label in positive else {})
        for label in sorted(set(truth))
    }


def _called(said: Sequence[Said], positive: Collection[str], threshold: float) -> dict[str, Any]:
    called = np.array([one.probability >= threshold for one in said])
    dealt = _dealt(said, ())
    everywhere = Dealt(np.zeros(len(said), bool), dealt.scores, dealt.units)
    drawn = bootstrap(everywhere, threshold)["false_positive_rate"]
    return {
        "n": len(said),
        "positive": label_of(said[0].burst, positive) in positive,
        "called_positive": int(called.sum()),
        "share": float(called.mean()),
        "share_interval": of_share(float(called.mean()), drawn, len(said), everywhere.negative_units),
    }


def dealt_of(bursts: Sequence[Burst], probabilities: Sequence[float], positive: Collection[str]) -> Dealt:
    """The data for figures, with one deal, since a bundle is one fit; the units that intervals draw.

    Units are places; they are sequences if all items of a class are of one place.
    """
    truth = np.array([shows(burst, positive) for burst in bursts], bool)
    scores = np.array([probabilities], np.float64)
    places = Dealt(truth, scores, _numbers([_place(burst[0]) for burst in bursts]))
    if 1 not in (places.positive_units, places.negative_units):
        return places
    return Dealt(truth, scores, _numbers([sequence_key(burst[0]) for burst in bursts]))


def _dealt(said: Sequence[Said], positive: Collection[str]) -> Dealt:
    return dealt_of([one.burst for one in said], [one.probability for one in said], positive)


def _place(picture: LabelledPicture) -> Hashable:
    return ("place", picture.source, picture.location) if picture.location else sequence_key(picture)


def _numbers(names: Sequence[Hashable]) -> Any:
    first = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([first[name] for name in names], np.intp)
