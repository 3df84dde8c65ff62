"""From a burst's pictures to the verdict on it: the one path that trap, evaluation and archive scoring all take.

Decides the order of things: look at every frame small, let the burst find its animal, score regions from the middle
outwards, stop where nothing can change. The rules themselves live in `regions`, `preprocessing` and `decisions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.backgrounds import Background
from uncia_contract.burst_pictures import BurstPictures, ReadPicture, small
from uncia_contract.classifier import Scores
from uncia_contract.crew import Task
from uncia_contract.decisions import Decision, decide, decide_early, highest_mean, scoring_order
from uncia_contract.light import Light
from uncia_contract.regions import Region, RegionChoice, regions

__all__ = ["FrameLook", "ReadPicture", "SequenceVerdict", "Strips", "score_burst", "small"]


@dataclass(frozen=True)
class Strips:
    """Burnt-in info strips of a camera or data set, in fractions of the frame's height."""

    top: float = 0.0
    bottom: float = 0.0

    @property
    def visible(self) -> Region | None:
        """What is left between the strips; None for the whole frame."""
        if self.top == self.bottom == 0.0:
            return None
        return Region(left=0.0, top=self.top, width=1.0, height=1.0 - self.top - self.bottom)


@dataclass(frozen=True)
class FrameLook:
    """What became of one frame: its score (None where early exit spared it), the region, and why that region."""

    score: float | None
    region: Region | None
    reason: str


@dataclass(frozen=True)
class SequenceVerdict:
    """The verdict on a burst, with a look a frame, in the burst's order; `failures` names frames by index.

    `background` is the trap's own view after this burst, where one was given.
    """

    decision: Decision
    looks: tuple[FrameLook, ...]
    failures: dict[int, str]
    background: Background | None = None

    @property
    def frames_scored(self) -> int:
        """How many frames went through the model."""
        return sum(look.score is not None for look in self.looks)


def score_burst(
    pictures: Sequence[ReadPicture],
    classifier: Scores,
    strips: Strips | None = None,
    background: Background | None = None,
    use_regions: bool | None = None,
    every_frame: bool = False,
    workers: int | None = None,
) -> SequenceVerdict | None:
    """The verdict on one burst; None where not a single picture can be decoded.

    Args:
        pictures: each gives a JPEG's bytes when called, at most twice.
        classifier: whose manifest holds the rules.
        strips: the camera's burnt-in strips, None where not configured.
        background: the trap's own view so far, for bursts of one or two frames; None where pictures of other places
            may have come before.
        use_regions: False scores whole frames; None does what the bundle says.
        every_frame: True scores frames that can no longer change the verdict as well (for evaluation).
        workers: threads that decode pictures, the caller's among them; as many as there are cores, up to four.
    """
    manifest = classifier.manifest
    whole = strips.visible if strips else None
    wanted = (manifest.region_rule, manifest.input_size, whole, workers, background is not None)
    with BurstPictures(pictures, *wanted) as decoded:
        choices, failures, background = _looked(decoded, classifier, strips, background, use_regions)
        if not choices:
            return None
        decoded.expect({index: choice.region for index, choice in choices.items()})
        decision, scores = _Scorer(decoded, classifier, choices, every_frame).decide()
    looks = {index: FrameLook(scores.get(index), choice.region, choice.reason) for index, choice in choices.items()}
    unread = FrameLook(None, None, "unreadable")
    return SequenceVerdict(decision, tuple(looks.get(i, unread) for i in range(len(pictures))), failures, background)


def _looked(
    decoded: BurstPictures,
    classifier: Scores,
    strips: Strips | None,
    background: Background | None,
    use_regions: bool | None,
) -> tuple[dict[int, RegionChoice], dict[int, str], Background | None]:
    """What to score of each readable frame, why the others failed, and the background with this burst."""
    thumbnails, failures = decoded.thumbnails()
    if not thumbnails:
        return {}, failures, background
    usual, background = _before(thumbnails, decoded.lights, background)
    choices = _choices(list(thumbnails.values()), classifier, strips, usual, use_regions)
    return dict(zip(thumbnails, choices, strict=True)), failures, background


def _before(
    thumbnails: dict[int, NDArray[np.uint8]], lights: dict[int, Light], background: Background | None
) -> tuple[NDArray[np.uint8] | None, Background | None]:
    """What is usually seen in the burst's light (that of most of its frames), and the background with this burst."""
    if background is None:
        return None, None
    light: Light = max(sorted(set(lights.values())), key=list(lights.values()).count)
    alike = [frame for index, frame in thumbnails.items() if lights[index] == light]
    return background.seen(alike[0].shape, light), background.updated(alike, light)


def _choices(
    thumbnails: list[NDArray[np.uint8]],
    classifier: Scores,
    strips: Strips | None,
    background: NDArray[np.uint8] | None,
    use_regions: bool | None,
) -> list[RegionChoice]:
    if not (classifier.manifest.regions if use_regions is None else use_regions):
        return [RegionChoice(region=None, reason="off")] * len(thumbnails)
    edges = (strips.top, strips.bottom) if strips else None
    return regions(thumbnails, classifier.manifest.region_rule, background, edges)


class _Scorer:
    """Scores frames in the order of `decide_early`, while the next ones are being decoded.

    Only frames that will be scored whatever the ones before them give are decoded ahead: early exit spares the
    decoding of a frame as well as its scoring.
    """

    def __init__(
        self,
        decoded: BurstPictures,
        classifier: Scores,
        choices: dict[int, RegionChoice],
        every_frame: bool,
    ) -> None:
        self.choices = choices
        self._decoded, self._classifier, self._every_frame = decoded, classifier, every_frame
        self._usable = list(choices)
        self._order = scoring_order(len(choices))
        self._begun: dict[int, Task[NDArray[np.uint8]]] = {}
        self._scores: list[float] = []

    def decide(self) -> tuple[Decision, dict[int, float]]:
        """The verdict, and the scores by the frames' index."""
        rule, frames = self._classifier.manifest.decision_rule, len(self._usable)
        if self._every_frame:
            scores = {position: self._score(position) for position in self._order}
            decision = decide([scores[position] for position in range(frames)], rule)
        else:
            decision, scores = decide_early(self._score, frames, rule)
        return decision, {self._usable[position]: score for position, score in scores.items()}

    def _score(self, position: int) -> float:
        self._begin()
        score = self._classifier.score(self._decoded.input(self._begun.pop(position)))
        self._scores.append(score)
        return score

    def _begin(self) -> None:
        """Decode the frame that is due, and those after it that are certain to follow."""
        done = len(self._scores)
        for ahead, position in enumerate(self._order[done : done + 2 * self._decoded.workers]):
            if ahead and not self._is_certain(ahead):
                return
            if position not in self._begun:
                index = self._usable[position]
                self._begun[position] = self._decoded.ahead(index, self.choices[index].region)

    def _is_certain(self, ahead: int) -> bool:
        """Whether the frame that comes `ahead` frames after the due one is scored even if those before it give 0."""
        threshold = self._classifier.manifest.decision_rule.threshold
        lowest = [*self._scores, *[0.0] * ahead]
        return self._every_frame or highest_mean(lowest, len(self._usable)) >= threshold
