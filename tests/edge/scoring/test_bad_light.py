"""Frames that cannot be compared because of their light: they are scored whole, and the record says so for each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageEnhance, ImageOps
from tests.edge.scene import BUNDLE, SIZE, Told, burst_of, jpeg, reading, slope, with_animal

from uncia_contract.messages.records import FrameEntry, SequenceRecord, decode, encode
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observer
from uncia_edge.service.decision_log import DecisionLog

SCENE = slope()


def walking(n: int) -> Image.Image:
    """The scene with the animal at step `n` on its way from left to right."""
    return with_animal(SCENE, 0.1 + 0.12 * n)


def infrared(image: Image.Image) -> Image.Image:
    grey = ImageOps.grayscale(image).point(lambda value: min(255, int(value * 0.7 + 20)))
    return Image.merge("RGB", [grey] * 3)


def snowing(image: Image.Image, seed: int) -> Image.Image:
    chance, pixels = np.random.default_rng(seed), np.asarray(image).copy()
    for y, x, r in zip(*(chance.integers(*span, 900) for span in ((0, 480), (0, 640), (2, 7))), strict=True):
        pixels[max(0, y - r) : y + r, max(0, x - r) : x + r] = 250
    return Image.fromarray(pixels)


def knocked(image: Image.Image, times: int = 1) -> Image.Image:
    return ImageChops.offset(image, 180 * times, -90 * times)


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def record_of(folder: Path, images: Sequence[Image.Image], score: float = 0.9) -> SequenceRecord:
    """The record of a burst of these images, encoded and decoded."""
    trap = Observer("ridge-01", Told(score), BUNDLE, Outbox(folder / "outbox"), reading)
    record = trap.observe(burst_of(folder / "burst", [jpeg(image) for image in images])).record
    assert record is not None
    return decode(encode(record), SequenceRecord)


def whole(entries: Sequence[FrameEntry]) -> list[bool]:
    """Which frames were scored whole."""
    return [entry.region is None for entry in entries]


BLACK = Image.new("RGB", SIZE, (3, 3, 3))


@pytest.mark.parametrize(
    ("images", "expected", "reasons"),
    [
        ([walking(n) for n in range(5)], [False] * 5, {"changed"}),
        ([*(walking(n) for n in range(3)), knocked(walking(3)), knocked(walking(4))], [False] * 3 + [True] * 2,
         {"changed", "camera-moved", "light-changed", "whole-scene"}),
        ([knocked(walking(2), n) for n in (0, 1, 2, 3)], [True] * 4, {"camera-moved", "light-changed", "whole-scene"}),
        ([brighter(SCENE, factor) for factor in (0.1, 0.12, 1.8)], [True] * 3, {"no-change", "light-changed"}),
        ([snowing(walking(n), n) for n in range(5)], [True] * 5, {"whole-scene", "scattered"}),
        ([infrared(walking(0)), infrared(walking(1)), BLACK, infrared(walking(3)), infrared(walking(4))],
         [False, False, True, False, False], {"changed", "light-changed"}),
        ([SCENE] * 3, [True] * 3, {"no-change"}),
        ([walking(2)], [True], {"single-frame"}),
        ([walking(0), walking(2).resize((200, 160)), walking(4)], [True] * 3, {"sizes-differ"}),
    ],
    ids=["an animal", "knocked once", "shaken all the time", "sunrise", "snowfall", "flash failed", "nothing", "alone",
         "sizes differ"],
)  # fmt: skip
def test_the_record_says_which_frames_were_scored_whole_and_why(
    tmp_path: Path, images: list[Image.Image], expected: list[bool], reasons: set[str]
) -> None:
    """Every frame is scored."""
    entries = record_of(tmp_path, images).frames
    assert whole(entries) == expected
    assert all(entry.score == 0.9 for entry in entries)
    assert {entry.why for entry in entries} <= reasons, [entry.why for entry in entries]


def test_a_change_to_infrared_in_a_burst_gives_small_regions_or_whole_frames(tmp_path: Path) -> None:
    """Frames are compared with frames of the same light; no region is larger than half the frame."""
    images = [*(walking(n) for n in range(3)), infrared(walking(3)), infrared(walking(4)), infrared(walking(2))]
    entries = record_of(tmp_path, images).frames
    places = [0.1 + 0.12 * n for n in (0, 1, 2, 3, 4, 2)]
    for entry, place in zip(entries, places, strict=True):
        if entry.region is None:
            assert entry.why in ("light-changed", "whole-scene")
            continue
        left, _, width, _ = entry.region
        assert left <= place * 0.8 + 0.1 <= left + width
        assert width <= 0.5


def test_a_sunrise_does_not_hide_a_walking_animal(tmp_path: Path) -> None:
    """While brightness grows from a quarter to twice, the animal's frames have a region or a reason for none."""
    entries = record_of(tmp_path, [brighter(walking(n), 0.25 + 0.45 * n) for n in range(5)]).frames
    assert sum(entry.region is not None for entry in entries) >= 3
    assert all(entry.why for entry in entries)


def test_the_log_says_how_many_regions_were_scored_and_why_not(tmp_path: Path) -> None:
    """For a person at the trap."""
    log = DecisionLog(tmp_path)
    log.write("b", record_of(tmp_path, [*(walking(n) for n in range(3)), knocked(walking(3))]), [])
    [entry] = log.read()
    assert (entry["regions"], len(entry["looks"]), entry["looks"][0]) == (3, 4, "changed")
