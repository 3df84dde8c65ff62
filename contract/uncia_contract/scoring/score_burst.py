"""Scores a burst: from its pictures to the verdict. Trap, evaluation and archive scoring all call this code.

Decides the order of the steps: make thumbnails, find regions, score from the middle outwards, look again where the
bundle has a second look, stop when the verdict is settled. The rules are in `regions`, `preprocessing`, `second_look`
and `decisions`; `burst_decoder` decides what is decoded when, and on which thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.backgrounds import Background
from uncia_contract.bursts.decisions import Decision, EarlyExit, label_means
from uncia_contract.bursts.frame_scores import FrameScore, LabelledScore, NotedScore
from uncia_contract.bursts.regions import RegionChoice, region_about, regions
from uncia_contract.bursts.second_look import SecondLooks, Seen
from uncia_contract.model.classifier import FrameScorer
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
        """The part between the strips; None for the whole frame."""
        if self.top == self.bottom == 0.0:
            return None
        return Region(left=0.0, top=self.top, width=1.0, height=1.0 - self.top - self.bottom)


class ExpectedView(Protocol):
    """A camera's view without an animal: the trap's rolling background, or an archive's neighbours."""

    def seen(self, shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """The view in that light, uint8 of that shape; None where it is not known."""


@dataclass(frozen=True)
class FrameResult:
    """The result for one frame: its score (None where it was not scored), the region, and the reason for the region.

    After a second look, these are of the look that counted.
    """

    score: float | None
    region: Region | None
    reason: str


@dataclass(frozen=True)
class SequenceVerdict:
    """The verdict on a burst.

    Attributes:
        decision: the confidence, and whether it is positive.
        label: the likeliest positive label.
        probabilities: each positive label's mean over the scored frames, in the manifest's order; empty where the
            bundle has one positive label.
        frames: a result for each frame, in the burst's order.
        failures: why frames could not be read, by index.
        background: the trap's rolling background after this burst, where one was given.
        damaged: what is wrong with damaged frames that were scored, by index; not checked for streams.
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
        """The number of frames that were scored."""
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
    """The verdict on one burst; None where no picture can be decoded.

    Args:
        pictures: each returns a JPEG whenever it is called: bytes, or a stream, which is closed.
        classifier: scores the frames; its manifest holds the rules.
        strips: the camera's burnt-in strips; None where not configured.
        background: the camera's view without an animal, for bursts of one or two frames; None where it is not known.
        use_regions: False scores whole frames, each once; None does what the bundle says.
        every_frame: True scores all frames, also after the verdict is settled (for evaluation).
        workers: threads that decode pictures, including the caller's; None for one per core, at most four.
        single_thread_classifier: gives the same scores with one thread; used while other threads decode.
        boxes: boxes of a data set around the animals, by frame index; they are used as regions.
    """
    manifest = classifier.manifest
    whole = strips.visible if strips else None
    with BurstDecoder(pictures, manifest.region_rule, manifest.input_size, whole, workers) as decoder:
        seen = decoder.thumbnails()
        if not seen.grey:
            return None
        expected, updated = expected_view(seen, background)
        by_regions = manifest.regions if use_regions is None else use_regions
        second_look = manifest.second_look if by_regions else None
        choices = _choose_regions(seen, classifier, strips, expected, by_regions, boxes or {})
        burst = _Burst(decoder, choices, seen, classifier, single_thread_classifier or classifier)
        early_exit = EarlyExit(list(choices), manifest.decision_rule, every_frame)
        looks = SecondLooks(second_look, len(choices), whole) if second_look else None
        scored = _score_frames(burst, early_exit, looks)
    unread = FrameResult(None, None, "unreadable")
    results = [unread] * len(pictures)
    for index, choice in choices.items():
        results[index] = _result(scored.get(index), choice)
    means = label_means([one.score.labels for one in scored.values() if isinstance(one.score, LabelledScore)])
    label = max(means, key=means.__getitem__, default=manifest.positive_labels[0])
    return SequenceVerdict(early_exit.decide(), label, means, tuple(results), seen.failures, updated, seen.damaged)


def _result(seen: Seen | None, choice: RegionChoice) -> FrameResult:
    """A frame's result. A note stays with the score; labels do not, because the verdict holds their means."""
    if seen is None:
        return FrameResult(None, choice.region, choice.reason)
    score = seen.score if isinstance(seen.score, NotedScore) else float(seen.score)
    return FrameResult(score, seen.choice.region, seen.choice.reason)


def expected_view(
    seen: Thumbnails, background: ExpectedView | None
) -> tuple[NDArray[np.uint8] | None, Background | None]:
    """The view without an animal in the burst's light (that of most frames), and the background updated by this burst.

    The first is None where the view is not known; the second is None unless `background` is a rolling background.
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
    by_regions: bool,
    boxes: Mapping[int, Region],
) -> dict[int, RegionChoice]:
    """The part to score of each readable frame, by its index in the burst."""
    if not by_regions:
        return dict.fromkeys(seen.grey, RegionChoice(region=None, reason="off"))
    edges = (strips.top, strips.bottom) if strips else None
    rule = classifier.manifest.region_rule
    found = regions(list(seen.grey.values()), rule, expected, edges)
    if second_look := classifier.manifest.second_look:
        found = [second_look.first_choice(choice, len(found)) for choice in found]
    chosen = dict(zip(seen.grey, found, strict=True))
    for index, box in boxes.items():
        if index in chosen:
            chosen[index] = region_about(box, seen.grey[index].shape[::-1], rule)
    return chosen


@dataclass(frozen=True)
class _Burst:
    """A burst's frames, ready to be scored: choices and thumbnails by index, the decoder, the classifiers."""

    decoder: BurstDecoder
    choices: Mapping[int, RegionChoice]
    thumbnails: Thumbnails
    classifier: FrameScorer
    single_thread_classifier: FrameScorer

    def prefetch(self, indices: Sequence[int]) -> None:
        """Let other threads decode the frames that are scored next."""
        self.decoder.prefetch(indices, {index: self.choices[index].region for index in indices})

    def look(self, index: int, places: Sequence[Region | None]) -> list[FrameScore]:
        """The scores of parts of one frame, in the order of `places` (None for the whole frame)."""
        for place in places[1:]:
            self.decoder.prefetch([index], {index: place})
        return [self._score(index, place) for place in places]

    def _score(self, index: int, place: Region | None) -> FrameScore:
        image = self.decoder.model_input(index, place)
        scorer = self.single_thread_classifier if self.decoder.is_prefetching else self.classifier
        score = scorer.score(image)
        return score if isinstance(score, FrameScore) else FrameScore(score)

    def size(self, index: int) -> tuple[int, int]:
        """(width, height) of a frame's thumbnail."""
        height, width = self.thumbnails.grey[index].shape
        return width, height


def _score_frames(burst: _Burst, early_exit: EarlyExit, looks: SecondLooks | None) -> dict[int, Seen]:
    """Score the certain frames of a burst; return the look that counts of each and put its score into `early_exit`."""
    scored: dict[int, Seen] = {}
    while certain := early_exit.certain():
        burst.prefetch(certain)
        index = certain[0]
        choice = burst.choices[index]
        seen = Seen(burst.look(index, [choice.region])[0], choice)
        scored[index] = looks.final(seen, burst.size(index), partial(burst.look, index)) if looks else seen
        early_exit.scores[index] = float(scored[index].score)
    return scored
