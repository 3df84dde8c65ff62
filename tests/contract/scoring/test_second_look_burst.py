"""A burst whose bundle has a second look, from pictures to verdict."""

from functools import cache, partial

import msgspec
import numpy as np
import pytest
from msgspec.structs import astuple
from numpy.typing import NDArray

from support.fixed_scores import make_manifest
from support.stored_verdicts import Stored, bursts, picture
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frame_scores import FrameScore, LabelledScore
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.model.manifest import SCHEMA_2, Manifest
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.scoring.score_burst import SequenceVerdict, Strips, score_burst

RULE = SecondLook(few_off=0.5, long_off=0.5)
BURSTS = bursts()


def looking_again(threshold: float = 0.5) -> Manifest:
    """A manifest of schema 2."""
    manifest = make_manifest(threshold)
    return msgspec.structs.replace(manifest, looks_again=RULE, schema=SCHEMA_2)


class Again(Stored):
    """A classifier with scores and peaks made from the input's SHA-256; it counts its calls in `asked`."""

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__(looking_again(threshold))
        self.asked = 0

    def score(self, image: NDArray[np.uint8]) -> FrameScore:
        self.asked += 1
        score = super().score(image)
        return FrameScore(score).at((score, 1 - score))


def verdict(pictures: list[bytes], scorer: Again, every_frame: bool = False, workers: int = 1) -> SequenceVerdict:
    found = score_burst([partial(bytes, one) for one in pictures], scorer, every_frame=every_frame, workers=workers)
    assert found is not None
    return found


@cache
def in_full(name: str) -> SequenceVerdict:
    return verdict(BURSTS[name], Again(), every_frame=True)


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.5, 0.6, 0.8], ids=str)
@pytest.mark.parametrize("name", BURSTS)
def test_early_exit_gives_the_verdict_of_scoring_every_frame(name: str, threshold: float) -> None:
    """The frames that it scored have the same scores, regions and reasons."""
    early, full = verdict(BURSTS[name], Again(threshold)), in_full(name)
    pairs = zip(early.frames, full.frames, strict=True)
    assert early.decision.positive == (full.decision.confidence >= threshold)
    assert all(one == other for one, other in pairs if one.score is not None)


@pytest.mark.parametrize("name", BURSTS)
def test_threads_change_nothing(name: str) -> None:
    """Also where windows are decoded at the same time."""
    assert verdict(BURSTS[name], Again(), every_frame=True, workers=3) == in_full(name)


@pytest.mark.parametrize("name", BURSTS)
def test_a_frame_names_the_look_that_counted(name: str) -> None:
    """The region's own score is the frame's score; for a window in a long burst, minus 0.5 logits."""
    scorer = Again()
    for picture_bytes, frame in zip(BURSTS[name], in_full(name).frames, strict=True):
        score = scorer.score(model_input(picture_bytes, scorer.manifest.input_size, frame.region))
        is_window = frame.reason == "second-look" and frame.region is not None
        few = len(BURSTS[name]) <= 2
        assert (is_window and few) or frame.score == (float(score.lowered(0.5)) if is_window else score)


def test_some_frames_were_looked_at_again() -> None:
    """Otherwise the tests above would prove little."""
    again = [frame for name in BURSTS for frame in in_full(name).frames if frame.reason == "second-look"]
    assert {frame.region is None for frame in again} == {False, True}


def test_whole_frames_are_looked_at_once_where_no_regions_are_wanted() -> None:
    """`use_regions=False` switches the second look off."""
    scorer = Again()
    score_burst([partial(bytes, one) for one in BURSTS["small 9"]], scorer, use_regions=False, every_frame=True)
    assert scorer.asked == 9


def test_windows_lie_between_burnt_in_strips() -> None:
    """The peak is a place between the strips, in fractions of the part between them."""

    class Doubtful(Again):
        def score(self, image: NDArray[np.uint8]) -> FrameScore:
            self.asked += 1
            return FrameScore(0.1 if self.asked == 1 else 0.9).at((0.5, 0.99))

    found = score_burst([partial(picture, 1)], Doubtful(), strips=Strips(top=0.0, bottom=0.25))
    assert found is not None and found.frames[0].region is not None
    assert astuple(found.frames[0].region) == pytest.approx((0.3734375, 0.4125, 0.253125, 0.3375))


def test_several_labels_are_lowered_together() -> None:
    """The verdict's means add up to its confidence."""

    class OfTwo(Again):
        def score(self, image: NDArray[np.uint8]) -> LabelledScore:
            score = super().score(image)
            return LabelledScore(score, {"snow_leopard": score / 2, "prey": score / 2}).at(score.peak)

    scorer = OfTwo()
    scorer.manifest = msgspec.structs.replace(
        scorer.manifest, labels=("other", "snow_leopard", "prey"), positive_labels=("snow_leopard", "prey"),
        decision_rule=DecisionRule(0.0),
    )  # fmt: skip
    found = verdict(BURSTS["small 9"], scorer)
    assert sum(found.probabilities.values()) == pytest.approx(found.decision.confidence)
    assert any(frame.reason == "second-look" for frame in found.frames)
