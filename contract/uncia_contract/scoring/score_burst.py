"""From a burst's pictures to the verdict on it: the one path that trap, evaluation and archive scoring all take.

Decides the order of things: look at every frame small, find regions, score from the middle outwards, stop when the
verdict is settled. The rules themselves live in `regions`, `preprocessing` and `decisions`; `burst_decoder` decides
what is decoded when, and on which thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.backgrounds import Background
from uncia_contract.bursts.decisions import Decision, DecisionRule, EarlyExit, label_means
from uncia_contract.bursts.regions import RegionChoice, region_about, regions
from uncia_contract.model.classifier import FrameScorer, LabelledScore
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.burst_decoder import BurstDecoder, ReadPicture, Thumbnails


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


class ExpectedView(Protocol):
    """Knows what a camera sees when nothing is there: the trap's rolling background, or an archive's neighbours."""

    def seen(self, shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """Uint8 of that shape, in that light; None while unknown."""


@dataclass(frozen=True)
class FrameResult:
    """What became of one frame: its score (None where early exit spared it), the region, and why that region."""

    score: float | None
    region: Region | None
    reason: str


@dataclass(frozen=True)
class SequenceVerdict:
    """The verdict on a burst, with a result for each frame, in the burst's order; `failures` names frames by index.

    `label` is the likeliest positive label. `probabilities` holds the mean of each over the scored frames, in the
    manifest's order; it is empty where the bundle has one positive label.
    `background` is the trap's rolling background after this burst, where one was given. `damaged` says what is wrong
    with frames that were scored all the same, by index; of streams it is not asked.
    """

    decision: Decision
    label: str
    probabilities: dict[str, float]
    frames: tuple[FrameResult, ...]
    failures: dict[int, str]
    background: Background | None = None
    damaged: Mapping[int, str] = field(default_factory=dict)

    @property
    def frames_scored(self) -> int:
        """How many frames went through the model."""
        return sum(frame.score is not None for frame in self.frames)


def score_burst(
    pictures: Sequence[ReadPicture],
    classifier: FrameScorer,
    strips: Strips | None = None,
    background: ExpectedView | None = None,
    use_regions: bool | None = None,
    every_frame: bool = False,
    workers: int | None = None,
    single_thread_classifier: FrameScorer | None = None,
    boxes: Mapping[int, Region] | None = None,
) -> SequenceVerdict | None:
    """The verdict on one burst; None where not a single picture can be decoded.

    Args:
        pictures: each gives a JPEG when called, at most twice: bytes, or a stream, which is closed.
        classifier: whose manifest holds the rules.
        strips: the camera's burnt-in strips, None where not configured.
        background: the camera's view without an animal, for bursts of one or two frames; None where it is not known.
        use_regions: False scores whole frames; None does what the bundle says.
        every_frame: True scores frames that can no longer change the verdict as well (for evaluation).
        workers: threads that decode pictures, the caller's among them; as many as there are cores, up to four.
        single_thread_classifier: scores in the classifier's place, and as it does, while other threads decode.
        boxes: around the animals of frames, by index, where a data set gives them: they serve as regions.
    """
    manifest = classifier.manifest
    whole = strips.visible if strips else None
    with BurstDecoder(pictures, manifest.region_rule, manifest.input_size, whole, workers) as decoder:
        seen = decoder.thumbnails()
        if not seen.grey:
            return None
        expected, updated = expected_view(seen, background)
        choices = _choose_regions(seen, classifier, strips, expected, use_regions, boxes or {})
        scorers = classifier, single_thread_classifier or classifier
        decision, scores = _score_frames(decoder, choices, manifest.decision_rule, every_frame, *scorers)
    unread = FrameResult(None, None, "unreadable")
    results = [unread] * len(pictures)
    for index, choice in choices.items():
        results[index] = FrameResult(_plain(scores.get(index)), choice.region, choice.reason)
    means = label_means([score.labels for score in scores.values() if isinstance(score, LabelledScore)])
    label = max(means, key=means.__getitem__, default=manifest.positive_labels[0])
    return SequenceVerdict(decision, label, means, tuple(results), seen.failures, updated, seen.damaged)


def _plain(score: float | None) -> float | None:
    """Without its labels, of which the verdict holds the means."""
    return float(score) if isinstance(score, LabelledScore) else score


def expected_view(
    seen: Thumbnails, background: ExpectedView | None
) -> tuple[NDArray[np.uint8] | None, Background | None]:
    """What the camera sees in the burst's light (that of most frames) without an animal; a rolling background with this
    burst.

    Both are None where no background is given.
    """
    if background is None:
        return None, None
    lights = {index: light_of(colour) for index, colour in seen.colour.items()}
    light: Light = max(sorted(set(lights.values())), key=list(lights.values()).count)
    alike = [grey for index, grey in seen.grey.items() if lights[index] == light]
    updated = background.updated(alike, light) if isinstance(background, Background) else None
    return background.seen(alike[0].shape, light), updated


def _choose_regions(
    seen: Thumbnails,
    classifier: FrameScorer,
    strips: Strips | None,
    expected: NDArray[np.uint8] | None,
    use_regions: bool | None,
    boxes: Mapping[int, Region],
) -> dict[int, RegionChoice]:
    """What to score of each readable frame, by its index in the burst."""
    if not (classifier.manifest.regions if use_regions is None else use_regions):
        return dict.fromkeys(seen.grey, RegionChoice(region=None, reason="off"))
    edges = (strips.top, strips.bottom) if strips else None
    rule = classifier.manifest.region_rule
    chosen = dict(zip(seen.grey, regions(list(seen.grey.values()), rule, expected, edges), strict=True))
    for index, box in boxes.items():
        if index in chosen:
            chosen[index] = region_about(box, seen.grey[index].shape[::-1], rule)
    return chosen


def _score_frames(
    decoder: BurstDecoder,
    choices: Mapping[int, RegionChoice],
    rule: DecisionRule,
    every_frame: bool,
    classifier: FrameScorer,
    single_thread_classifier: FrameScorer,
) -> tuple[Decision, dict[int, float]]:
    """The verdict and the scores it rests on. While a frame is scored, other threads decode the next ones."""
    wanted = {index: choice.region for index, choice in choices.items()}
    early_exit = EarlyExit(list(choices), rule, every_frame)
    while certain := early_exit.certain():
        decoder.prefetch(certain, wanted)
        index = certain[0]
        image = decoder.model_input(index, wanted[index])
        scorer = single_thread_classifier if decoder.is_prefetching else classifier
        early_exit.scores[index] = scorer.score(image)
    return early_exit.decide(), early_exit.scores
