"""A second look at a frame: which frames of a burst are looked at again, where, and what counts.

Decides by the scores alone; decoding and the model belong to `scoring`. Measured, and what was dropped:
docs/decisions/0013-wild.md. A burst of one or two frames has no median of its own to be compared with.

1. Three frames and more: a region lower than `widen_below` of the frame is widened `widen` times before the first look.
2. Three frames and more: once a frame has scored `sighted`, each later frame (in the order of scoring) that scores less
   is looked at again: one with a region as the whole frame, and the higher score counts; one without a region in
   windows about the highest place of its activation map (#4), less `long_off` logits.
3. One or two frames: a first look from `few_from` to `sighted` is followed by the whole frame, where it was a region,
   and by the windows. What counts of them is the mean of two logits, the window's and that of the higher look before,
   less `few_off`: fur alone that fills a window is not enough, nor is a doubtful frame.
4. A window is a square of each of `sides` (fractions of the height); the second best of their scores is the windows'.
   A second look counts where it is higher than those before.
5. Second looks by #2 cost a burst at most as many invocations of the model as it has frames.
6. A frame's final score depends on its own looks and on frames before it in the order of scoring, never on later ones.
   It is in [0, 1] and final before the next frame is looked at. So the bound of early exit holds unchanged: a frame
   that has no score yet counts 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from uncia_contract.bursts.frame_scores import FrameScore, logit
from uncia_contract.bursts.regions import RegionChoice
from uncia_contract.errors import BundleError
from uncia_contract.pictures.preprocessing import WHOLE
from uncia_contract.pictures.region import Region

FEW = 2  # frames of a burst that is scored by #3
SECOND_LOOK = "second-look"

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Side = Annotated[float, Meta(gt=0.0, le=1.0)]
Logits = Annotated[float, Meta(ge=0.0, le=100.0)]
Look = Callable[[Sequence[Region | None]], list[FrameScore]]


class SecondLook(Struct, frozen=True, forbid_unknown_fields=True):
    """Which frames are looked at again; travels in the manifest of a `uncia.bundle/2`.

    Three frames and more: a region lower than `widen_below` of the frame is widened `widen` times; once a frame has
    scored `sighted`, later ones below it are looked at again, those without a region in windows less `long_off` logits.
    One or two frames: a score from `few_from` to `sighted` is followed by windows; the mean of both logits counts, less
    `few_off`. `sides` are the windows' heights as fractions of the frame's; ten at most, so that a frame costs twelve
    invocations at most.
    """

    sighted: Probability = 0.5
    widen_below: Probability = 0.4
    widen: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.5
    sides: Annotated[tuple[Side, ...], Meta(min_length=2, max_length=10)] = (0.3, 0.45, 0.65)
    few_from: Probability = 0.02
    few_off: Logits = 1.0
    long_off: Logits = 1.0

    def first_choice(self, choice: RegionChoice, frames: int) -> RegionChoice:
        """What is looked at first (#1), given what moved."""
        region = choice.region
        if region is None or frames <= FEW or region.height >= self.widen_below:
            return choice
        return RegionChoice(widened(region, self.widen), choice.reason)


@dataclass(frozen=True)
class Seen:
    """One frame's score, the part of the frame that gave it, and why that part."""

    score: FrameScore
    choice: RegionChoice


class SecondLooks:
    """Looks again at the frames of one burst, which must come in the order of scoring."""

    def __init__(self, rule: SecondLook, frames: int, whole: Region | None = None) -> None:
        """Nothing is seen yet.

        Args:
            rule: the bundle's.
            frames: how many the burst has.
            whole: what of a frame counts as the whole of it; None for all.
        """
        self._rule, self._few, self._whole = rule, frames <= FEW, whole or WHOLE
        self._left, self._is_sighted = frames, False

    def final(self, first: Seen, size: tuple[int, int], look: Look) -> Seen:
        """What counts of a frame: its first look, or a later one that scores higher.

        Args:
            first: the first look.
            size: (width, height) of the frame, or of its thumbnail.
            look: scores parts of this frame (None for the whole).

        Raises:
            BundleError: the model gives no activation map, so that there is no place for windows.
        """
        if self._few:
            doubtful = self._rule.few_from <= first.score < self._rule.sighted
            return self._few_looks(first, size, look) if doubtful else first
        if first.score >= self._rule.sighted:
            self._is_sighted = True
            return first
        if not self._is_sighted or self._left < len(self._rule.sides):  # #5
            return first
        if first.choice.region is not None:
            self._left -= 1
            return _higher(first, look([None])[0], None)
        self._left -= len(self._rule.sides)
        score, place = self._windows(first.score, size, look)
        return _higher(first, score.lowered(self._rule.long_off), place)

    def _few_looks(self, first: Seen, size: tuple[int, int], look: Look) -> Seen:
        """#3."""
        whole = first.score if first.choice.region is None else look([None])[0]
        best = _higher(first, whole, None)
        score, place = self._windows(whole, size, look)
        above = logit(score) - logit(best.score)
        return _higher(best, score.lowered(self._rule.few_off + above / 2), place)

    def _windows(self, whole: FrameScore, size: tuple[int, int], look: Look) -> tuple[FrameScore, Region]:
        """The score of the windows about the peak of the whole frame, and whose it is (#4)."""
        if whole.peak is None:
            raise BundleError("the model gives no activation map; expected one of a bundle with a second look")
        places = [window(whole.peak, side, size, self._whole) for side in self._rule.sides]
        scores = look(places)
        second = sorted(range(len(scores)), key=lambda n: -scores[n])[1]
        return scores[second], places[second]


def _higher(first: Seen, score: FrameScore, region: Region | None) -> Seen:
    return Seen(score, RegionChoice(region, SECOND_LOOK)) if score > first.score else first


def window(peak: tuple[float, float], side: float, size: tuple[int, int], whole: Region = WHOLE) -> Region:
    """A square about a place, shifted into `whole`, as a part of the frame.

    Args:
        peak: the place (across, down), as fractions of `whole`.
        side: as a fraction of the height of `whole`.
        size: (width, height) of the frame.
        whole: the part of the frame that it stays in.
    """
    width, height = size[0] * whole.width, size[1] * whole.height
    across = min(side * height / width, 1.0)
    inside = widened(Region(peak[0] - across / 2, peak[1] - side / 2, across, side), 1.0)
    return Region(
        whole.left + inside.left * whole.width,
        whole.top + inside.top * whole.height,
        inside.width * whole.width,
        inside.height * whole.height,
    )


def widened(region: Region, by: float) -> Region:
    """The region about its centre, shifted into the frame and cut to it."""
    width, height = min(region.width * by, 1.0), min(region.height * by, 1.0)
    left = min(max(region.left + (region.width - width) / 2, 0.0), 1.0 - width)
    top = min(max(region.top + (region.height - height) / 2, 0.0), 1.0 - height)
    return Region(left, top, width, height)
