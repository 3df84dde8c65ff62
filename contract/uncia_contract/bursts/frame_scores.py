"""A frame's score with further results of the model: the peak of its activation map, each label's probability, a note.

Scores are subclasses of float, so that rules that need only the number can use them directly.
"""

from math import exp, log
from typing import Any, Self

_LEAST = 1e-6  # logits of 0 and 1 are infinite


class FrameScore(float):
    """The probability of all positive labels together, in [0, 1].

    `peak` is the place (across, down) with the highest value of the activation map, as fractions of the model's input;
    None where the model gives no map.
    """

    peak: tuple[float, float] | None = None

    def at(self, peak: tuple[float, float] | None) -> Self:
        """This score with its peak."""
        self.peak = peak
        return self

    def lowered(self, logits: float) -> "FrameScore":
        """The score minus so many logits, with the same peak."""
        return FrameScore(lowered(self, logits)).at(self.peak)


class NotedScore(FrameScore):
    """A score with a note about its picture: any object that the caller wants to get back with the score.

    `lowered` keeps the note unchanged.
    """

    note: Any

    def __new__(cls, score: float, note: Any) -> Self:
        """A float equal to `score`."""
        noted = super().__new__(cls, score)
        noted.note = note
        return noted

    def lowered(self, logits: float) -> "NotedScore":
        """The score minus so many logits, with the same note and peak."""
        return NotedScore(lowered(self, logits), self.note).at(self.peak)


class LabelledScore(FrameScore):
    """The probability of several positive labels together; `labels` holds each label's, in the manifest's order."""

    labels: dict[str, float]

    def __new__(cls, score: float, labels: dict[str, float]) -> Self:
        """A float equal to `score`."""
        labelled = super().__new__(cls, score)
        labelled.labels = labels
        return labelled

    def lowered(self, logits: float) -> "LabelledScore":
        """The score minus so many logits; each label keeps its share of the sum."""
        score = lowered(self, logits)
        part = score / max(self, _LEAST)
        return LabelledScore(score, {label: own * part for label, own in self.labels.items()}).at(self.peak)


def lowered(score: float, logits: float) -> float:
    """A probability minus so many logits; the probability is first clipped to [1e-6, 1 - 1e-6]."""
    return 1 / (1 + exp(logits - logit(score)))


def logit(score: float) -> float:
    """The logit of a probability, which is first clipped to [1e-6, 1 - 1e-6]."""
    clipped = min(max(score, _LEAST), 1 - _LEAST)
    return log(clipped / (1 - clipped))
