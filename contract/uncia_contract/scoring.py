"""From a burst's pictures to the verdict on it: the one path that trap, evaluation and archive scoring all take.

Decides the order of things: look at every frame small, let the burst find its animal, score regions from the middle
outwards, stop where nothing can change. The rules themselves live in `regions`, `preprocessing` and `decisions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.classifier import Scores
from uncia_contract.decisions import Decision, decide, decide_early
from uncia_contract.errors import FrameError
from uncia_contract.jpeg import open_jpeg, oriented_size
from uncia_contract.preprocessing import model_input
from uncia_contract.regions import Region, RegionChoice, RegionRule, regions, thumbnail

ReadPicture = Callable[[], bytes]


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
    """The verdict on a burst, with a look a frame, in the burst's order; `failures` names frames by index."""

    decision: Decision
    looks: tuple[FrameLook, ...]
    failures: dict[int, str]

    @property
    def frames_scored(self) -> int:
        """How many frames went through the model."""
        return sum(look.score is not None for look in self.looks)


def small(picture: bytes, rule: RegionRule) -> NDArray[np.uint8]:
    """The grey thumbnail of a JPEG that `regions` looks at.

    Raises:
        FrameError: the picture cannot be decoded.
    """
    width, height = oriented_size(picture)
    target = min(width, 2 * rule.thumbnail_width)
    return thumbnail(open_jpeg(picture, (target, max(1, target * height // width))), rule)


def score_burst(
    pictures: Sequence[ReadPicture],
    classifier: Scores,
    strips: Strips | None = None,
    background: NDArray[np.uint8] | None = None,
    use_regions: bool | None = None,
    every_frame: bool = False,
) -> SequenceVerdict | None:
    """The verdict on one burst; None where not a single picture can be decoded.

    Args:
        pictures: each gives a JPEG's bytes when called, at most twice.
        classifier: whose manifest holds the rules.
        strips: the camera's burnt-in strips, None where not configured.
        background: the trap's grey thumbnail of the same light without an animal, for bursts of one or two frames.
        use_regions: False scores whole frames; None does what the bundle says.
        every_frame: True scores frames that can no longer change the verdict as well (for evaluation).
    """
    manifest = classifier.manifest
    thumbnails, failures = _look_small(pictures, manifest.region_rule)
    use_regions = manifest.regions if use_regions is None else use_regions
    if use_regions:
        edges = (strips.top, strips.bottom) if strips else None
        choices = regions(list(thumbnails.values()), manifest.region_rule, background, edges)
    else:
        choices = [RegionChoice(region=None, reason="off")] * len(thumbnails)
    return _score(pictures, classifier, dict(zip(thumbnails, choices, strict=True)), failures, strips, every_frame)


def _look_small(
    pictures: Sequence[ReadPicture], rule: RegionRule
) -> tuple[dict[int, NDArray[np.uint8]], dict[int, str]]:
    thumbnails: dict[int, NDArray[np.uint8]] = {}
    failures: dict[int, str] = {}
    for index, read in enumerate(pictures):
        try:
            thumbnails[index] = small(read(), rule)
        except (FrameError, OSError) as error:
            failures[index] = str(error)
    return thumbnails, failures


def _score(
    pictures: Sequence[ReadPicture],
    classifier: Scores,
    choices: dict[int, RegionChoice],
    failures: dict[int, str],
    strips: Strips | None,
    every_frame: bool,
) -> SequenceVerdict | None:
    if not choices:
        return None
    usable = list(choices)
    whole = strips.visible if strips else None
    rule = classifier.manifest.decision_rule

    def score(position: int) -> float:
        index = usable[position]
        region = choices[index].region or whole
        return classifier.score(model_input(pictures[index](), classifier.manifest.input_size, region))

    if every_frame:
        scores = {position: score(position) for position in range(len(usable))}
        decision = decide(list(scores.values()), rule)
    else:
        decision, scores = decide_early(score, len(usable), rule)
    looks = {
        index: FrameLook(scores.get(position), choices[index].region, choices[index].reason)
        for position, index in enumerate(usable)
    }
    unread = FrameLook(None, None, "unreadable")
    return SequenceVerdict(decision, tuple(looks.get(i, unread) for i in range(len(pictures))), failures)
