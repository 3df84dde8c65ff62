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
from uncia_contract.runs.labels import SequenceKey, sequence_key
from uncia_training.datasets.region_crops import Crop

TARGET_RECALL = 0.95
MIN_POSITIVE_SEQUENCES = 30
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
            f"{MIN_POSITIVE_SEQUENCES} are needed. The threshold is {UNKNOWN}."
        )


def choose_threshold(
    crops: Sequence[Crop],
    chances: Sequence[float],
    positive: Sequence[bool],
    target: float = TARGET_RECALL,
    how: Literal["mean", "max"] = "mean",
) -> Threshold:
    """A threshold that at least `target` of the held-out positive sequences reach.

    #1 The highest such threshold bounds it from above. #2 From there it goes down as far as that costs no false
    alarm, and stays in the middle of that gap: recall for nothing, and room for quantisation on both sides.

    Args:
        crops: what was scored; a frame with two crops counts with its region, as on the trap.
        chances: held-out probability of each crop.
        positive: whether each crop shows what is looked for.
        target: the recall to keep.
        how: what a sequence scores: the mean of its frames, as on the trap, or its highest frame.
    """
    means = _sequence_scores(crops, chances, positive, how)
    found = sorted(mean for mean, shows in means if shows)
    others = [mean for mean, shows in means if not shows]
    if len(found) < MIN_POSITIVE_SEQUENCES:
        return Threshold(UNKNOWN, len(found), None, None)
    allowed_misses = math.floor((1 - target) * len(found))
    highest = found[allowed_misses]  # 1
    below = max((mean for mean in others if mean < highest), default=0.0)
    value = math.floor((highest + below) / 2 * 1000) / 1000  # 2
    recall = sum(mean >= value for mean in found) / len(found)
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
