"""A frame's score, with what else the model said of it: where it looks like the animal, each label, a note.

Scores are numbers (float), so that rules which need no more read them as they are.
"""

from math import exp, log
from typing import Any, Self

_LEAST = 1e-6  # logits of 0 and 1 are infinite


class FrameScore(float):
    """The probability of the positive labels together.

    `peak` is the place (across, down; fractions of what the model saw) that speaks most for them; None where the model
    gives no activation map.
    """

    peak: tuple[float, float] | None = None

    def at(self, peak: tuple[float, float] | None) -> Self:
        """This score with its peak."""
        self.peak = peak
        return self

    def lowered(self, logits: float) -> "FrameScore":
        """The score with so many logits taken off, for the same place."""
        return FrameScore(lowered(self, logits)).at(self.peak)


class NotedScore(FrameScore):
    """A score that keeps what else was found of its picture, for whoever asked for more than the verdict.

    The note stays as it is when logits are taken off the score.
    """

    note: Any

    def __new__(cls, score: float, note: Any) -> Self:
        """Equal to the score."""
        noted = super().__new__(cls, score)
        noted.note = note
        return noted

    def lowered(self, logits: float) -> "NotedScore":
        """With the same note."""
        return NotedScore(lowered(self, logits), self.note).at(self.peak)


class LabelledScore(FrameScore):
    """The probability of several positive labels together; `labels` holds that of each, in the manifest's order."""

    labels: dict[str, float]

    def __new__(cls, score: float, labels: dict[str, float]) -> Self:
        """Equal to the score."""
        labelled = super().__new__(cls, score)
        labelled.labels = labels
        return labelled

    def lowered(self, logits: float) -> "LabelledScore":
        """Each label keeps its part of the sum."""
        score = lowered(self, logits)
        part = score / max(self, _LEAST)
        return LabelledScore(score, {label: own * part for label, own in self.labels.items()}).at(self.peak)


def lowered(score: float, logits: float) -> float:
    """A probability with so many logits taken off; probabilities within 1e-6 of 0 and 1 count as that far off."""
    return 1 / (1 + exp(logits - logit(score)))


def logit(score: float) -> float:
    """Of a probability; those within 1e-6 of 0 and 1 count as that far off."""
    clipped = min(max(score, _LEAST), 1 - _LEAST)
    return log(clipped / (1 - clipped))
