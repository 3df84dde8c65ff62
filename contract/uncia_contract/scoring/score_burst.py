"""From a burst's pictures to the verdict on it: the one path that trap, evaluation and archive scoring all take.

Decides the order of things: look at every frame small, let the burst find its animal, score regions from the middle
outwards, stop where nothing can change. The rules themselves live in `regions`, `preprocessing` and `decisions`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.backgrounds import Background
from uncia_contract.bursts.decisions import Decision, decide, decide_early, is_settled, scoring_order
from uncia_contract.bursts.regions import RegionChoice, regions_as_found
from uncia_contract.model.classifier import Scores
from uncia_contract.pictures.light import Light
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.burst_decoder import BurstPictures, ReadPicture, small
from uncia_contract.scoring.helping_pool import Task

__all__ = ["FrameLook", "ReadPicture", "SequenceVerdict", "Strips", "score_burst", "small"]


UNDER_WAY = 32  # frames; what is ready before it is scored takes 150 kB each


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
    beside: Scores | None = None,
) -> SequenceVerdict | None:
    """The verdict on one burst; None where not a single picture can be decoded.

    Args:
        pictures: each gives a JPEG when called, at most twice: bytes, or a stream, which is closed.
        classifier: whose manifest holds the rules.
        strips: the camera's burnt-in strips, None where not configured.
        background: the trap's own view so far, for bursts of one or two frames; None where pictures of other places
            may have come before.
        use_regions: False scores whole frames; None does what the bundle says.
        every_frame: True scores frames that can no longer change the verdict as well (for evaluation).
        workers: threads that decode pictures, the caller's among them; as many as there are cores, up to four.
        beside: scores in the classifier's place, and as it does, while other threads decode (`on_one_core`).
    """
    manifest = classifier.manifest
    whole = strips.visible if strips else None
    wanted = (manifest.region_rule, manifest.input_size, whole, workers, background is not None)
    with BurstPictures(pictures, *wanted) as decoded:
        thumbnails, failures = decoded.thumbnails()
        if not thumbnails:
            return None
        usual, background = _before(thumbnails, decoded.lights, background)
        scorer = _Scorer(decoded, classifier, beside or classifier, list(thumbnails), every_frame)
        for index, choice in _choices(thumbnails, classifier, strips, usual, use_regions):
            scorer.chosen(index, choice)
        decision = scorer.decide()
    looks = {
        index: FrameLook(scorer.scores.get(index), one.region, one.reason) for index, one in scorer.choices.items()
    }
    unread = FrameLook(None, None, "unreadable")
    return SequenceVerdict(decision, tuple(looks.get(i, unread) for i in range(len(pictures))), failures, background)


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
    thumbnails: dict[int, NDArray[np.uint8]],
    classifier: Scores,
    strips: Strips | None,
    background: NDArray[np.uint8] | None,
    use_regions: bool | None,
) -> Iterator[tuple[int, RegionChoice]]:
    """What to score of each readable frame, as soon as it is certain. The thumbnails are given up."""
    if not (classifier.manifest.regions if use_regions is None else use_regions):
        yield from dict.fromkeys(thumbnails, RegionChoice(region=None, reason="off")).items()
        return
    edges, indices = (strips.top, strips.bottom) if strips else None, list(thumbnails)
    greys = [thumbnails.pop(index) for index in indices]
    found = regions_as_found(greys, classifier.manifest.region_rule, background, edges)
    del greys
    yield from ((indices[n], choice) for n, choice in found)


class _Scorer:
    """Scores frames while others are being decoded, those that are ready first; the verdict is `decide_early`'s.

    Only frames that will be scored whatever the ones before them give are begun: early exit spares the decoding of a
    frame as well as its scoring. Those that are decoded for it come first, from when their region is known, so that no
    hand waits for the last one.
    """

    def __init__(
        self, decoded: BurstPictures, classifier: Scores, beside: Scores, usable: list[int], every_frame: bool
    ) -> None:
        self.choices: dict[int, RegionChoice] = {}
        self.scores: dict[int, float] = {}
        self._decoded, self._classifier, self._beside, self._every_frame = decoded, classifier, beside, every_frame
        self._usable = usable
        self._order = [usable[position] for position in scoring_order(len(usable))]
        self._certain = 0  # so many of the order are scored even if each that is not scored yet gives 0
        self._due: list[int] = []  # those of them that are not begun
        self._begun: dict[int, Task[NDArray[np.uint8]]] = {}
        self._look_ahead()

    def chosen(self, index: int, choice: RegionChoice) -> None:
        """Takes note of what to score of a frame."""
        self.choices[index] = choice
        self._decoded.expect(index, choice.region)
        if self._decoded.has_room and index in self._due and not self._decoded.has_kept(index):
            self._begin([index])

    def decide(self) -> Decision:
        """The verdict; then `scores` has what it rests on, by the frames' index."""
        rule = self._classifier.manifest.decision_rule
        if self._every_frame:
            return decide([self._score(index) for index in self._usable], rule)
        return decide_early(lambda position: self._score(self._usable[position]), len(self._usable), rule)[0]

    def _score(self, index: int) -> float:
        self._look_ahead()
        while index not in self.scores:
            self._begin(sorted(self._due, key=self._decoded.has_kept))
            ready = self._decoded.crew.any_done(self._begun)
            image = self._begun.pop(ready).result()
            alone = all(task.is_done for task in self._begun.values())
            self.scores[ready] = (self._classifier if alone else self._beside).score(image)
        return self.scores[index]

    def _begin(self, indices: list[int]) -> None:
        """Begin as many of these frames as may be under way."""
        for index in indices[: UNDER_WAY - len(self._begun)]:
            self._due.remove(index)
            self._begun[index] = self._decoded.crew.begin(
                partial(self._decoded.input, index, self.choices[index].region)
            )

    def _look_ahead(self) -> None:
        """Frames become due when they are certain to be scored."""
        rule, frames = self._classifier.manifest.decision_rule, len(self._order)
        while self._certain < frames:
            ahead = self._order[: self._certain]
            if not self._every_frame and is_settled([self.scores.get(one, 0.0) for one in ahead], frames, rule):
                return
            self._due.append(self._order[self._certain])
            self._certain += 1
