"""From frame scores to the verdict on a sequence (DESIGN 3): the mean decides; early exit shortens negatives.

Decides whether a sequence is positive, in which order frames are scored, and when the remaining frames cannot change
the verdict. The published confidence is the number that decided. With several positive labels their sum decides, and
the sequence gets the label with the highest mean.
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

    `confidence` is the mean of all frames' probabilities. After an early exit it is an upper bound of that mean, which
    is below the threshold, and `upper_bound` is True.
    """

    confidence: float
    positive: bool
    upper_bound: bool = False


def scoring_order(frames: int) -> list[int]:
    """The indices of `frames` frames from the middle outwards: the animal is most likely in the middle."""
    middle = (frames - 1) // 2
    return sorted(range(frames), key=lambda index: (abs(index - middle), index < middle))


def highest_mean(scores: Iterable[float], frames: int) -> float:
    """The largest mean that `frames` probabilities can have when `scores` are some of them.

    `math.fsum` rounds the exact sum once. So no score in [0, 1] of a remaining frame can give a higher mean, not even
    in the last bit.
    """
    known = list(scores)
    return math.fsum([*known, *[1.0] * (frames - len(known))]) / frames


def is_settled(scores: Sequence[float], frames: int, rule: DecisionRule) -> bool:
    """Whether the frames without a score can no longer make the sequence positive."""
    return highest_mean(scores, frames) < rule.threshold


def decide(scores: Sequence[float], rule: DecisionRule, frames: int | None = None) -> Decision:
    """The verdict from the frames' calibrated probabilities.

    Args:
        scores: the probabilities of the scored frames, each in [0, 1].
        rule: the bundle's rule.
        frames: the number of frames of the sequence; larger than the number of scores only after an early exit.

    Raises:
        ValueError: there are no frames, or the missing scores could still change the verdict.
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
    """Each label's mean probability over the scored frames, in the labels' order; empty without scores."""
    return {label: math.fsum(score[label] for score in scores) / len(scores) for label in (scores[0] if scores else ())}


class EarlyExit:
    """Tells which frames of a sequence must be scored; the verdict is the same as with all frames scored.

    A frame is certain to be scored if the verdict would still be open when all earlier frames without a score had
    scored 0. So several certain frames can be decoded at the same time, and none of them needlessly. When all certain
    frames have a score, the verdict is settled.
    """

    def __init__(self, frames: Sequence[int], rule: DecisionRule, every_frame: bool = False) -> None:
        """Start without scores.

        Args:
            frames: the frames' numbers; `scores` uses them as keys.
            rule: the bundle's rule.
            every_frame: True makes every frame certain, without early exit.
        """
        self.scores: dict[int, float] = {}
        self._rule, self._every_frame = rule, every_frame
        self._order, self._certain = [frames[position] for position in scoring_order(len(frames))], 0

    def certain(self) -> list[int]:
        """The certain frames that have no score in `scores` yet, in the order of scoring."""
        frames = len(self._order)
        while self._certain < frames and (self._every_frame or not self._is_settled_before(self._certain)):
            self._certain += 1
        return [frame for frame in self._order[: self._certain] if frame not in self.scores]

    def decide(self) -> Decision:
        """The verdict, when `certain` is empty.

        Raises:
            ValueError: there are no frames, or the missing scores could still change the verdict.
        """
        return decide(list(self.scores.values()), self._rule, len(self._order))

    def _is_settled_before(self, position: int) -> bool:
        lowest = [self.scores.get(frame, 0.0) for frame in self._order[:position]]
        return is_settled(lowest, len(self._order), self._rule)


def aggregate(scores: Sequence[float], how: Aggregator) -> float:
    """One number in [0, 1] from the frames' probabilities, by one of several methods. For reports, not for the trap."""
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
