"""From frame scores to a verdict on the sequence (DESIGN 3): the mean decides, and negatives may stop early.

Decides positive or not, which frames are scored in which order, and when scoring the rest cannot change the verdict.
The published confidence is the number that decided. Of several positive labels the sum decides; the label with the
highest mean names the sequence.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Literal

from msgspec import Meta, Struct

Aggregator = Literal["mean", "mean_logit", "median", "max", "noisy_or", "majority"]


class DecisionRule(Struct, frozen=True):
    """When a sequence is positive: its confidence reaches the threshold. Travels in the bundle."""

    threshold: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5


@dataclass(frozen=True)
class Decision:
    """The verdict on one sequence.

    `confidence` is the mean of all frames' probabilities; where scoring stopped early it is the upper bound that could
    not reach the threshold, and `upper_bound` is True.
    """

    confidence: float
    positive: bool
    upper_bound: bool = False


def scoring_order(frames: int) -> list[int]:
    """The frames' indices from the middle outwards: where the animal most likely is, first."""
    middle = (frames - 1) // 2
    return sorted(range(frames), key=lambda index: (abs(index - middle), index < middle))


def highest_mean(scores: Iterable[float], frames: int) -> float:
    """The largest mean that `frames` probabilities can have when these are some of them.

    `math.fsum` rounds the exact sum once, so that no score in [0, 1] of a remaining frame can lead above this: the
    bound holds to the last bit, not merely up to rounding.
    """
    known = list(scores)
    return math.fsum([*known, *[1.0] * (frames - len(known))]) / frames


def is_settled(scores: Sequence[float], frames: int, rule: DecisionRule) -> bool:
    """Whether the frames not scored yet cannot make the sequence positive any more."""
    return highest_mean(scores, frames) < rule.threshold


def decide(scores: Sequence[float], rule: DecisionRule, frames: int | None = None) -> Decision:
    """The verdict on the frames' calibrated probabilities, each in [0, 1].

    Args:
        scores: of the frames that were scored.
        rule: the bundle's.
        frames: how many the sequence has; more than there are scores only after an early exit.

    Raises:
        ValueError: no frames at all, or scores are missing although they could still decide.
    """
    frames = len(scores) if frames is None else frames
    if frames == 0:
        raise ValueError("a sequence without frames has no verdict")
    confidence = highest_mean(scores, frames)
    if frames == len(scores):
        return Decision(confidence, confidence >= rule.threshold)
    if confidence >= rule.threshold:
        raise ValueError(f"{frames - len(scores)} of {frames} frames are not scored and could still decide")
    return Decision(confidence, positive=False, upper_bound=True)


def label_means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each label's probabilities over the frames that were scored, in the labels' order."""
    return {label: math.fsum(score[label] for score in scores) / len(scores) for label in (scores[0] if scores else ())}


class EarlyExit:
    """Which frames of a sequence are scored: no more than the verdict of scoring every frame needs.

    A frame is certain to be scored when the verdict would stay open even if every frame before it that has no score
    yet scored 0. So several frames may be prepared together, and none of them in vain. Once all certain frames have
    their scores, the verdict is settled.
    """

    def __init__(self, frames: Sequence[int], rule: DecisionRule, every_frame: bool = False) -> None:
        """Nothing is scored yet.

        Args:
            frames: the sequence's frames, by numbers that name them.
            rule: the bundle's.
            every_frame: score all frames, whatever they give.
        """
        self.scores: dict[int, float] = {}
        self._rule, self._every_frame = rule, every_frame
        self._order, self._certain = [frames[position] for position in scoring_order(len(frames))], 0

    def certain(self) -> list[int]:
        """The frames that are certain to be scored and have no score in `scores` yet, in the order of scoring."""
        frames = len(self._order)
        while self._certain < frames and (self._every_frame or not self._is_settled_before(self._certain)):
            self._certain += 1
        return [frame for frame in self._order[: self._certain] if frame not in self.scores]

    def decide(self) -> Decision:
        """The verdict, once no certain frame is left.

        Raises:
            ValueError: no frames at all, or scores are missing although they could still decide.
        """
        return decide(list(self.scores.values()), self._rule, len(self._order))

    def _is_settled_before(self, position: int) -> bool:
        lowest = [self.scores.get(frame, 0.0) for frame in self._order[:position]]
        return is_settled(lowest, len(self._order), self._rule)


def aggregate(scores: Sequence[float], how: Aggregator) -> float:
    """Other ways of making one number of the frames' probabilities, for comparison in reports; never on the trap."""
    return _AGGREGATORS[how](scores)


def _mean_logit(scores: Sequence[float]) -> float:
    clipped = [min(max(score, 1e-6), 1 - 1e-6) for score in scores]
    mean = math.fsum(math.log(score / (1 - score)) for score in clipped) / len(clipped)
    return 1 / (1 + math.exp(-mean))


_AGGREGATORS: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda scores: math.fsum(scores) / len(scores),
    "mean_logit": _mean_logit,
    "median": lambda scores: float(median(scores)),
    "max": max,
    "noisy_or": lambda scores: 1 - math.prod(1 - score for score in scores),
    "majority": lambda scores: sum(score >= 0.5 for score in scores) / len(scores),
}
