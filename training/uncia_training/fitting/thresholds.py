"""The threshold: chosen at a target recall of sequences that the fit never saw, or 0.5 where there are too few
(DESIGN 3).

Decides from how many positive sequences recall can be told, and which threshold reaches the target.
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
    """A threshold in [0, 1], and what is known of it; `recall` is None where it could not be estimated."""

    value: float
    positive_sequences: int
    recall: float | None
    false_alarms: float | None

    @property
    def note(self) -> str | None:
        """What a person must know when recall is unknown."""
        if self.recall is not None:
            return None
        return (
            f"Recall of sequences could not be estimated: {self.positive_sequences} positive sequences, at least "
            f"{MIN_POSITIVE_SEQUENCES} are needed. The threshold is {self.value:g}."
        )


@dataclass(frozen=True)
class Aim:
    """What a threshold is to reach on sequences that the fit did not see.

    `recall` of the positive ones; where `false_alarm_rate` is given, no more than that share of the negative ones.
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
    """A threshold that reaches the aim on the held-out sequences.

    #1 The highest threshold with the recall bounds it from above. #2 From there it goes down as far as that costs no
    false alarm, and stays in the middle of that gap: recall for nothing, and room for quantisation on both sides.
    #3 With a bound on false alarms it stands above all negative sequences but those that may be called, in the middle
    of the gap to the next score.

    Args:
        crops: what was scored; a frame with two crops counts with its region, as on the trap.
        chances: held-out probability of each crop.
        positive: whether each crop shows what is looked for.
        aim: the recall to keep, or the false alarms to allow.
        how: what a sequence scores: the mean of its frames, as on the trap, or its highest frame.

    Raises:
        DataError: false alarms are to be bounded, and there are too few negative sequences to tell them from.
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
    return _told(math.floor((highest + below) / 2 * 1000) / 1000, found, others)  # 2


def _within(rate: float, found: Sequence[float], others: Sequence[float]) -> Threshold:
    """The threshold with no more than that share of false alarms (#3); both kinds are sorted."""
    if len(others) < MIN_NEGATIVE_SEQUENCES:
        raise DataError(
            f"false alarms cannot be bounded: {len(others)} named negative sequences, at least "
            f"{MIN_NEGATIVE_SEQUENCES} are needed; label more, or give --target-recall"
        )
    forbidden = len(others) - 1 - math.floor(rate * len(others))
    below = others[forbidden] if forbidden >= 0 else 0.0
    above = min((mean for mean in (*found, *others) if mean > below), default=1.0)
    return _told(min(math.floor((below + above) / 2 * 1000 + 1) / 1000, 1.0), found, others)


def _told(value: float, found: Sequence[float], others: Sequence[float]) -> Threshold:
    recall = sum(mean >= value for mean in found) / len(found) if found else None
    return Threshold(value, len(found), recall, sum(mean >= value for mean in others) / max(len(others), 1))


def _sequence_scores(
    crops: Sequence[Crop], chances: Sequence[float], positive: Sequence[bool], how: Literal["mean", "max"]
) -> list[tuple[float, bool]]:
    """Score and truth of each sequence that the data set names."""
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
