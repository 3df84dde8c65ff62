"""The choice of calibration pictures: stratified, deterministic, never of the test split."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_backbones.quantization.calibration import CANDIDATES, choose
from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture

SIZE = (32, 24)


def picture(folder: Path, name: str, label: str, infrared: bool = False, **more: str) -> LabelledPicture:
    """A noisy JPEG, grey or in colour."""
    noise = np.random.default_rng(sum(name.encode())).integers(0, 256, (6, 8, 1 if infrared else 3), dtype=np.uint8)
    pixels = np.broadcast_to(noise, (6, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name, quality=95)
    return LabelledPicture(name, folder / name, label, **more)


@pytest.fixture
def pictures(tmp_path: Path) -> list[LabelledPicture]:
    """Mostly cats by day, a few infrared ones, a few blanks."""
    return [
        *(picture(tmp_path, f"day{i}.jpg", "cat") for i in range(20)),
        *(picture(tmp_path, f"night{i}.jpg", "cat", infrared=True) for i in range(4)),
        *(picture(tmp_path, f"blank{i}.jpg", "blank") for i in range(3)),
    ]


def test_strata_share_equally_until_one_runs_out(pictures: list[LabelledPicture]) -> None:
    """#1: of twelve pictures, all four infrared ones, all three blanks, and five of twenty by day."""
    assert choose(pictures, SIZE, 12).strata() == {"day/blank": 3, "day/cat": 5, "infrared/cat": 4}


def test_the_order_of_the_csv_does_not_matter(pictures: list[LabelledPicture]) -> None:
    """#4: shuffled rows give the same pictures in the same order."""
    shuffled = random.Random(1).sample(pictures, len(pictures))
    assert choose(shuffled, SIZE, 12).summary() == choose(pictures, SIZE, 12).summary()


def test_the_fingerprint_depends_on_the_model_inputs(pictures: list[LabelledPicture]) -> None:
    """Another picture under the same name, or another input size, gives another fingerprint."""
    found = {choose(pictures, size, 100).summary()["fingerprint"] for size in (SIZE, SIZE[::-1])}
    picture(pictures[0].path.parent, "day0.jpg", "cat", infrared=True)
    found.add(choose(pictures, SIZE, 100).summary()["fingerprint"])
    assert len(found) == 3


def test_as_many_as_requested_are_read(tmp_path: Path) -> None:
    """Also of a single label."""
    many = [picture(tmp_path, f"{i}.jpg", "cat") for i in range(CANDIDATES + 5)]
    assert len(choose(many, SIZE, CANDIDATES + 4).candidates) == CANDIDATES + 4


def test_bursts_and_sources_take_turns(tmp_path: Path) -> None:
    """#2: twelve frames of one burst, or thirty pictures of one web page, do not displace others."""
    many = [
        *(picture(tmp_path, f"a{i}.jpg", "cat", sequence="burst", source="trap") for i in range(12)),
        *(picture(tmp_path, f"b{i}.jpg", "cat", sequence=f"other{i}", source="trap") for i in range(2)),
        *(picture(tmp_path, f"c{i}.jpg", "cat", source="web") for i in range(30)),
    ]
    chosen = choose(many, SIZE, 8)
    assert Counter(c.picture.source for c in chosen.candidates) == {"trap": 4, "web": 4}
    assert Counter(c.picture.sequence for c in chosen.candidates if c.picture.source == "trap")["burst"] == 2


@pytest.mark.parametrize("split", ["test", "tune", "Tune"])
def test_pictures_to_test_or_tune_with_are_never_used(
    pictures: list[LabelledPicture], tmp_path: Path, split: str
) -> None:
    """Even if no others show an animal."""
    secret = picture(tmp_path, "secret.jpg", "wolf", split=split)
    assert "day/wolf" not in choose([*pictures, secret], SIZE, 100).strata()


def test_only_test_pictures_is_an_error(tmp_path: Path) -> None:
    """There are no pictures to calibrate with."""
    with pytest.raises(DataError, match="every row has split `test`"):
        choose([picture(tmp_path, "a.jpg", "cat", split="test")], SIZE)


def test_a_broken_picture_is_recorded(pictures: list[LabelledPicture], tmp_path: Path) -> None:
    """With its reason; the other pictures are used."""
    (tmp_path / "day3.jpg").write_bytes(b"no picture")
    chosen = choose(pictures, SIZE, 100)
    assert (len(chosen.candidates), [file for file, _ in chosen.failures]) == (26, ["day3.jpg"])


def test_pixels_are_model_inputs(pictures: list[LabelledPicture]) -> None:
    """uint8 (1, height, width, 3), as the quantizer needs them."""
    first = next(choose(pictures, SIZE, 5).pixels())
    assert (first.shape, first.dtype) == ((1, 24, 32, 3), np.uint8)


def test_no_readable_picture_is_an_error(tmp_path: Path) -> None:
    """The message names the first one."""
    with pytest.raises(DataError, match=r"none of 1 calibration pictures can be read; the first: gone\.jpg"):
        choose([LabelledPicture("gone.jpg", tmp_path / "gone.jpg", "cat")], SIZE)


def burst(folder: Path, name: str, **more: str) -> list[LabelledPicture]:
    """Three frames of a still scene with a moving object."""
    scene = (
        np.random.default_rng(3).integers(90, 130, (48, 64, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    )
    found = []
    for number in range(3):
        frame = scene.copy()
        frame[200:300, 100 + 160 * number : 200 + 160 * number] = (220, 60, 30)
        file = f"{name}{number}.jpg"
        Image.fromarray(frame).save(folder / file, quality=92)
        found.append(LabelledPicture(file, folder / file, "cat", sequence=name, **more))
    return found


def test_regions_of_bursts_are_added(tmp_path: Path) -> None:
    """#3: each frame as a whole, and its region, which fills the model's input."""
    chosen = choose(burst(tmp_path, "walk"), SIZE, 12).candidates
    reds = [float((one.pixels[..., 0] > 180).mean()) for one in chosen]
    assert len(chosen) == 6
    assert max(reds[:3]) < 0.06 < min(reds[3:])


def test_regions_are_a_quarter_at_most_and_never_of_the_test_split(tmp_path: Path) -> None:
    """#3: for four pictures one region; none of a test burst."""
    assert len(choose(burst(tmp_path, "walk"), SIZE, 4).candidates) == 4
    rows = [*burst(tmp_path, "test", split="test"), picture(tmp_path, "still.jpg", "cat")]
    assert [one.picture.file for one in choose(rows, SIZE, 12).candidates] == ["still.jpg"]
