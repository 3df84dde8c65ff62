"""Chooses the threshold for a target recall of held-out sequences, or 0.5 if there are too few of them (DESIGN 3).

Decides how many positive sequences are needed to estimate recall, and which threshold reaches the target.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from uncia_contract.bursts.decisions import aggregate
from uncia_contract.errors import DataError
from uncia_contract.runs.labels import SequenceKey, sequence_key
from uncia_training.datasets.region_crops import Crop

TARGET_RECALL = 0.95
MIN_POSITIVE_SEQUENCES = 30
MIN_NEGATIVE_SEQUENCES = 30
UNKNOWN = 0.5


@dataclass(frozen=True)
class Threshold:
    """A threshold in [0, 1], with its figures on held-out sequences; `recall` is None if it could not be estimated."""

    value: float
    positive_sequences: int
    recall: float | None
    false_alarms: float | None

    @property
    def note(self) -> str | None:
        """A note for the manifest if the recall is not known; else None."""
        if self.recall is not None:
            return None
        return (
            f"Recall of sequences could not be estimated: {self.positive_sequences} positive sequences, at least "
            f"{MIN_POSITIVE_SEQUENCES} are needed. The threshold is {self.value:g}."
        )


@dataclass(frozen=True)
class Aim:
    """The aim of a threshold on held-out sequences.

    `recall` is the share of positive sequences to find. If `false_alarm_rate` is given, it replaces the recall: at most
    that share of negative sequences may be called positive.
    """

    recall: float = TARGET_RECALL
    false_alarm_rate: float | None = None


USUAL = Aim()


def choose_threshold(
    crops: Sequence[Crop],
    chances: Sequence[float],
    positive: Sequence[bool],
    aim: Aim = USUAL,
    how: Literal["mean", "max"] = "mean",
) -> Threshold:
    """The threshold that reaches the aim on the held-out sequences.

    #1 The highest threshold with the recall is the upper limit. #2 Between it and the next lower score of a negative
    sequence no false alarm is added, so the middle of this gap is chosen: it has a margin for quantisation on both
    sides. #3 With a limit of false alarms, the threshold is above all negative sequences except those that are allowed,
    in the middle of the gap to the next score.

    Args:
        crops: the scored crops; a frame with several counts with its region, as on the trap.
        chances: the held-out probability of each crop.
        positive: whether each crop shows a positive label.
        aim: the recall to reach, or the false alarms to allow.
        how: the score of a sequence: the mean of its frames, as on the trap, or its highest frame.

    Raises:
        DataError: false alarms are limited, but there are too few negative sequences to estimate them.
    """
    means = _sequence_scores(crops, chances, positive, how)
    found = sorted(mean for mean, shows in means if shows)
    others = [mean for mean, shows in means if not shows]
    if aim.false_alarm_rate is not None:
        return _within(aim.false_alarm_rate, found, sorted(others))
    if len(found) < MIN_POSITIVE_SEQUENCES:
        return Threshold(UNKNOWN, len(found), None, None)
    allowed_misses = math.floor((1 - aim.recall) * len(found))
    highest = found[allowed_misses]  # 1
    below = max((mean for mean in others if mean < highest), default=0.0)
    return _threshold(math.floor((highest + below) / 2 * 1000) / 1000, found, others)  # 2


def _within(rate: float, found: Sequence[float], others: Sequence[float]) -> Threshold:
    """The threshold with at most that share of false alarms (#3); `found` and `others` are sorted."""
    if len(others) < MIN_NEGATIVE_SEQUENCES:
        raise DataError(
            f"false alarms cannot be limited: {len(others)} negative sequences with an id, at least "
            f"{MIN_NEGATIVE_SEQUENCES} are needed; label more, or give --target-recall"
        )
    forbidden = len(others) - 1 - math.floor(rate * len(others))
    below = others[forbidden] if forbidden >= 0 else 0.0
    above = min((mean for mean in (*found, *others) if mean > below), default=1.0)
    return _threshold(min(math.floor((below + above) / 2 * 1000 + 1) / 1000, 1.0), found, others)


def _threshold(value: float, found: Sequence[float], others: Sequence[float]) -> Threshold:
    recall = sum(mean >= value for mean in found) / len(found) if found else None
    return Threshold(value, len(found), recall, sum(mean >= value for mean in others) / max(len(others), 1))


def _sequence_scores(
    crops: Sequence[Crop], chances: Sequence[float], positive: Sequence[bool], how: Literal["mean", "max"]
) -> list[tuple[float, bool]]:
    """The score and truth of each sequence with an id in the data set."""
    frames: dict[SequenceKey, dict[str, tuple[bool, float]]] = defaultdict(dict)
    truth: dict[SequenceKey, bool] = {}
    for crop, chance, shows in zip(crops, chances, positive, strict=True):
        if not crop.picture.sequence:
            continue
        key = sequence_key(crop.picture)
        truth[key] = truth.get(key, False) or shows
        frames[key][crop.picture.file] = max(
            frames[key].get(crop.picture.file, (False, 0.0)), (crop.region is not None, chance)
        )
    return [(aggregate([chance for _, chance in seen.values()], how), truth[key]) for key, seen in frames.items()]
