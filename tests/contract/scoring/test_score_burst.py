"""Scoring a burst with several threads gives the same verdict as scoring one frame after the other."""

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from support.early_exit import decide_early
from support.fixed_scores import make_manifest
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frame_scores import LabelledScore
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule, regions
from uncia_contract.model.manifest import Backbone, Manifest
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_contract.scoring import burst_decoder
from uncia_contract.scoring.burst_decoder import BurstDecoder, picture_thumbnail
from uncia_contract.scoring.score_burst import score_burst

MANIFEST = Manifest(
    name="tiny",
    version=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    labels=("other", "snow_leopard"),
    positive_labels=("snow_leopard",),
    input_size=(32, 32),
    backbone=Backbone("tiny", "pooled", 2),
    burst_rule=BurstRule(),
    region_rule=RegionRule(),
    decision_rule=DecisionRule(threshold=0.5),
    licence="Apache-2.0",
    sha256={},
)


def jpeg(size: tuple[int, int], seed: int = 0, square: int | None = None) -> bytes:
    """A picture of blurred noise, with a bright square at that place."""
    noise = np.random.default_rng(seed).integers(60, 120, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    if square is not None:
        image.paste((250, 250, 250), (square, size[1] // 2, square + size[0] // 6, size[1] // 2 + size[1] // 6))
    out = io.BytesIO()
    image.save(out, "jpeg", quality=85)
    return out.getvalue()


@dataclass
class Bright:
    """A classifier that scores the mean brightness and keeps its inputs in `seen`."""

    manifest: Manifest = MANIFEST
    seen: list[NDArray[np.uint8]] = field(default_factory=list)

    def score(self, image: NDArray[np.uint8]) -> float:
        self.seen.append(image)
        return float(image.mean() / 255)


@dataclass
class Reader:
    """A reader that counts how often the picture is read."""

    picture: bytes
    reads: int = 0

    def __call__(self) -> bytes:
        self.reads += 1
        return self.picture


def one_by_one(pictures: Sequence[bytes], classifier: Bright) -> list[float | None]:
    """The scores by the same rules, with no picture decoded in advance or kept."""
    rule = classifier.manifest.region_rule
    choices = regions([picture_thumbnail(picture, rule) for picture in pictures], rule)
    size = classifier.manifest.input_size

    def score(index: int) -> float:
        return classifier.score(model_input(pictures[index], size, choices[index].region))

    _, scores = decide_early(score, len(pictures), classifier.manifest.decision_rule)
    return [scores.get(index) for index in range(len(pictures))]


@pytest.mark.parametrize("size", [(640, 480), (2048, 1536)], ids=["small", "large"])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9], ids=str)
@pytest.mark.parametrize("workers", [1, 3], ids=str)
def test_the_scores_are_those_of_one_frame_after_the_other(
    size: tuple[int, int], threshold: float, workers: int
) -> None:
    """Bit for bit, and the same frames are not scored."""
    rule = msgspec.structs.replace(MANIFEST, decision_rule=DecisionRule(threshold))
    pictures = [jpeg(size, square=size[0] * step // 8) for step in range(6)]
    verdict = score_burst([Reader(picture) for picture in pictures], Bright(rule), workers=workers)
    assert verdict is not None and [frame.score for frame in verdict.frames] == one_by_one(pictures, Bright(rule))


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(40, 1400), st.integers(40, 1100)),
    left=st.floats(0, 0.7),
    top=st.floats(0, 0.7),
    side=st.floats(0.05, 0.3),
)
def test_a_kept_picture_gives_what_decoding_anew_gives(
    size: tuple[int, int], left: float, top: float, side: float
) -> None:
    """For any size and region, byte for byte."""
    picture, region = jpeg(size), Region(left, top, side, side)
    with BurstDecoder([lambda: picture], RegionRule(), (32, 32), workers=1) as decoded:
        decoded.thumbnails()
        given_input = decoded.model_input(0, region)
    assert np.array_equal(given_input, model_input(picture, (32, 32), region))


def test_whole_frames_are_decoded_once() -> None:
    """The picture decoded for the thumbnail gives the model's input too."""
    readers = [Reader(jpeg((640, 480))) for _ in range(3)]
    score_burst(readers, Bright(msgspec.structs.replace(MANIFEST, input_size=(224, 224))), every_frame=True)
    assert [reader.reads for reader in readers] == [1, 1, 1]


def test_frames_after_an_early_exit_are_not_decoded_for_the_model() -> None:
    """Dark frames settle the verdict early; no other frame was decoded in advance."""
    rule = msgspec.structs.replace(MANIFEST, decision_rule=DecisionRule(0.99), input_size=(640, 640))
    readers = [Reader(jpeg((1600, 1200))) for _ in range(5)]
    verdict = score_burst(readers, Bright(rule), use_regions=False)
    assert verdict is not None and sum(reader.reads for reader in readers) == 5 + verdict.frames_scored


@pytest.mark.parametrize("workers", [1, 3], ids=str)
def test_no_more_frames_are_prefetched_than_memory_is_meant_for(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """A slow model in a long burst; the scores are those of one frame after the other."""
    begun, waiting, make = list[int](), list[int](), BurstDecoder._input
    pictures, classifier = [jpeg((640, 480), square=80 * step) for step in range(7)], Bright()

    def counted(self: BurstDecoder, index: int, region: Region) -> NDArray[np.uint8]:
        begun.append(index)
        waiting.append(len(begun) - len(classifier.seen))
        return make(self, index, region)

    monkeypatch.setattr(burst_decoder, "PREFETCHED_FRAMES", 2)
    monkeypatch.setattr(BurstDecoder, "_input", counted)
    verdict = score_burst([Reader(picture) for picture in pictures], classifier, every_frame=True, workers=workers)
    expected = one_by_one(pictures, Bright(msgspec.structs.replace(MANIFEST, decision_rule=DecisionRule(0.0))))
    assert verdict is not None and [frame.score for frame in verdict.frames] == expected
    assert (sorted(begun), max(waiting) <= 2) == (list(range(7)), True)


def test_a_lone_picture_is_compared_with_nothing() -> None:
    """Its whole frame is scored."""
    verdict = score_burst([Reader(jpeg((640, 480)))], Bright())
    assert verdict is not None and [frame.reason for frame in verdict.frames] == ["single-frame"]


def test_a_burst_without_a_readable_picture_has_no_verdict() -> None:
    """It is not a negative."""
    assert score_burst([Reader(b""), Reader(b"text")], Bright()) is None


def test_an_unreadable_frame_is_named_and_the_others_decide() -> None:
    """`failures` has its index."""
    verdict = score_burst([Reader(jpeg((64, 48))), Reader(b"no JPEG"), Reader(jpeg((64, 48)))], Bright())
    assert verdict is not None and (list(verdict.failures), len(verdict.frames)) == ([1], 3)


def test_one_thread_scores_while_others_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last frame is being decoded the single-thread classifier scores; then the other one."""
    several, single, last_begun, scored = Bright(), Bright(), threading.Event(), threading.Semaphore(0)
    make, score = BurstDecoder._input, Bright.score

    def counted(self: Bright, image: NDArray[np.uint8]) -> float:
        scored.release()
        return score(self, image)

    def slow(self: BurstDecoder, index: int, region: Region) -> NDArray[np.uint8]:
        if threading.current_thread() is threading.main_thread():
            assert last_begun.wait(20)
        elif index == 0:  # the last one to be scored
            last_begun.set()
            assert all(scored.acquire(timeout=20) for _ in range(4))
        return make(self, index, region)

    monkeypatch.setattr(Bright, "score", counted)
    monkeypatch.setattr(BurstDecoder, "_input", slow)
    pictures = [Reader(jpeg((640, 480), square=80 * step)) for step in range(5)]
    verdict = score_burst(pictures, several, every_frame=True, workers=2, single_thread_classifier=single)
    expected = score_burst(pictures, Bright(), every_frame=True, workers=1)
    assert (len(single.seen), len(several.seen)) == (4, 1)
    assert verdict == expected


class OfTwoLabels:
    """Gives each frame the next pair of probabilities: of snow leopard and of prey."""

    def __init__(self, *pairs: tuple[float, float]) -> None:
        self.manifest = make_manifest(positive=("snow_leopard", "prey"))
        self._pairs = iter(pairs)

    def score(self, image: NDArray[np.uint8]) -> LabelledScore:
        leopard, prey = next(self._pairs)
        return LabelledScore(leopard + prey, {"snow_leopard": leopard, "prey": prey})


@pytest.mark.parametrize(
    ("pairs", "label", "positive"),
    [
        ([(0.75, 0.0), (0.0, 0.5), (0.25, 0.0)], "snow_leopard", True),
        ([(0.25, 0.75), (0.0, 0.25), (0.25, 0.0)], "prey", True),
        ([(0.25, 0.25), (0.25, 0.25), (0.25, 0.25)], "snow_leopard", True),
        ([(0.0, 0.25), (0.0, 0.0), (0.0, 0.0)], "prey", False),
    ],
    ids=["leopard in the mean", "prey in the mean", "neither reaches the threshold, their sum does", "nothing"],
)
def test_the_sum_decides_and_the_label_has_the_highest_mean(
    pairs: list[tuple[float, float]], label: str, positive: bool
) -> None:
    """With several positive labels; of equal means the manifest's first label wins."""
    verdict = score_burst([Reader(jpeg((64, 48), seed)) for seed in range(3)], OfTwoLabels(*pairs), every_frame=True)
    assert verdict is not None and (verdict.label, verdict.decision.positive) == (label, positive)
    assert sum(verdict.probabilities.values()) == verdict.decision.confidence


def test_means_of_a_burst_that_stopped_early_are_those_of_the_scored_frames() -> None:
    """The upper bound decided; the means are of the scored frames only."""
    verdict = score_burst([Reader(jpeg((64, 48), seed)) for seed in range(4)], OfTwoLabels(*[(0.0, 0.125)] * 4))
    assert verdict is not None and verdict.decision.upper_bound
    assert verdict.probabilities == {"snow_leopard": 0.0, "prey": 0.125}


def test_one_positive_label_has_no_probabilities_of_its_own() -> None:
    """`probabilities` is empty, so the record is as before."""
    verdict = score_burst([Reader(jpeg((64, 48)))], Bright())
    assert verdict is not None and (verdict.label, verdict.probabilities) == ("snow_leopard", {})
