"""The second look: which frames of a burst are scored again, in which parts, and which score counts.

Decides from the scores alone; `scoring` decodes and runs the model. Measurements: docs/decisions/0013-wild.md.

1. Bursts of three or more frames: a region lower than `widen_below` of the frame's height is widened by the factor
   `widen` before the first look.
2. Bursts of three or more frames: once a frame has scored `sighted` or more, each later frame (in the order of scoring)
   with a lower score is scored again. If it has a region, the whole frame is scored. If not, the windows around the
   peak of its activation map are scored (#4), and `long_off` logits are subtracted.
3. Bursts of one or two frames, which cannot be compared with a median: a first score from `few_from` to `sighted` is
   followed by the whole frame (if the first look was a region) and by the windows. The windows' result is the mean of
   two logits, the windows' and that of the best look before, minus `few_off`: fur that fills a window is not enough.
4. A window is a square; `sides` gives their heights as fractions of the frame's height. The windows' score is the
   second highest of theirs. A second look counts only if its score is higher than those before.
5. Second looks by #2 cost a burst at most as many invocations of the model as it has frames.
6. A frame's final score depends only on its own looks and on frames earlier in the order of scoring. It is in [0, 1]
   and final before the next frame is scored. So the bound of early exit stays valid: a frame without a score counts as
   1.
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

FEW = 2  # bursts of up to so many frames follow #3
SECOND_LOOK = "second-look"

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Side = Annotated[float, Meta(gt=0.0, le=1.0)]
Logits = Annotated[float, Meta(ge=0.0, le=100.0)]
Look = Callable[[Sequence[Region | None]], list[FrameScore]]


class SecondLook(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule of the second look, part of the manifest of a `uncia.bundle/2`; the module's docstring explains it.

    Attributes:
        sighted: from this score on, the animal counts as seen (#2, #3).
        widen_below: regions lower than this fraction of the frame's height are widened (#1).
        widen: the factor of widening (#1).
        sides: the windows' heights as fractions of the frame's height (#4). With at most ten, a frame costs at most
            twelve invocations of the model.
        few_from: the lowest first score that gets a second look in bursts of one or two frames (#3).
        few_off: logits subtracted in bursts of one or two frames (#3).
        long_off: logits subtracted from the windows' score in longer bursts (#2).
    """

    sighted: Probability = 0.5
    widen_below: Probability = 0.4
    widen: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.5
    sides: Annotated[tuple[Side, ...], Meta(min_length=2, max_length=10)] = (0.3, 0.45, 0.65)
    few_from: Probability = 0.02
    few_off: Logits = 1.0
    long_off: Logits = 1.0

    def first_choice(self, choice: RegionChoice, frames: int) -> RegionChoice:
        """The part to score first: the choice, with a small region widened (#1)."""
        region = choice.region
        if region is None or frames <= FEW or region.height >= self.widen_below:
            return choice
        return RegionChoice(widened(region, self.widen), choice.reason)


@dataclass(frozen=True)
class Seen:
    """A frame's score, and the part of the frame that gave it, with the reason."""

    score: FrameScore
    choice: RegionChoice


class SecondLooks:
    """Applies the rule to the frames of one burst; they must be given in the order of scoring."""

    def __init__(self, rule: SecondLook, frames: int, whole: Region | None = None) -> None:
        """Start before the first frame.

        Args:
            rule: the bundle's rule.
            frames: the number of frames in the burst.
            whole: the part of a frame between its burnt-in strips, scored as the whole frame; None for all of it.
        """
        self._rule, self._few, self._whole = rule, frames <= FEW, whole or WHOLE
        self._left, self._is_sighted = frames, False

    def final(self, first: Seen, size: tuple[int, int], look: Look) -> Seen:
        """The look that counts for a frame: the first one, or a later one with a higher score.

        Args:
            first: the first look.
            size: (width, height) of the frame, or of its thumbnail.
            look: scores parts of this frame (None for the whole).

        Raises:
            BundleError: windows are needed, but the model gives no activation map.
        """
        if self._few:
            doubtful = self._rule.few_from <= first.score < self._rule.sighted
            return self._look_of_few(first, size, look) if doubtful else first
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

    def _look_of_few(self, first: Seen, size: tuple[int, int], look: Look) -> Seen:
        """The look that counts for a frame of a burst of one or two frames (#3)."""
        whole = first.score if first.choice.region is None else look([None])[0]
        best = _higher(first, whole, None)
        score, place = self._windows(whole, size, look)
        above = logit(score) - logit(best.score)
        return _higher(best, score.lowered(self._rule.few_off + above / 2), place)

    def _windows(self, whole: FrameScore, size: tuple[int, int], look: Look) -> tuple[FrameScore, Region]:
        """The windows' score, and the window that has it (#4)."""
        if whole.peak is None:
            raise BundleError("the model gives no activation map; expected one of a bundle with a second look")
        places = [window(whole.peak, side, size, self._whole) for side in self._rule.sides]
        scores = look(places)
        second = sorted(range(len(scores)), key=lambda n: -scores[n])[1]
        return scores[second], places[second]


def _higher(first: Seen, score: FrameScore, region: Region | None) -> Seen:
    return Seen(score, RegionChoice(region, SECOND_LOOK)) if score > first.score else first


def window(peak: tuple[float, float], side: float, size: tuple[int, int], whole: Region = WHOLE) -> Region:
    """A square around a place, shifted into `whole`, in fractions of the frame.

    Args:
        peak: the place (across, down), as fractions of `whole`.
        side: the square's side, as a fraction of the height of `whole`.
        size: (width, height) of the frame.
        whole: the part of the frame that the square must stay in.
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
    """The region enlarged by a factor around its centre, shifted into the frame and cut to it."""
    width, height = min(region.width * by, 1.0), min(region.height * by, 1.0)
    left = min(max(region.left + (region.width - width) / 2, 0.0), 1.0 - width)
    top = min(max(region.top + (region.height - height) / 2, 0.0), 1.0 - height)
    return Region(left, top, width, height)
