"""Preprocessing: bytes in, the same uint8 input out, on every machine."""

import hashlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from uncia_contract.preprocessing import enough_for, model_input
from uncia_contract.regions import Region

SCENE = Path(__file__).parent / "scene.jpg"  # rendered by tests/contract/render_scene.py
REGION = Region(left=0.5, top=0.25, width=0.25, height=0.5)
GOLDEN_PILLOW = "13.0.0"
GOLDEN = {
    "whole": "8704f48c5f1439db6a658cb0b4264ac4e3e764c7766dc1d5f17d1463d29f8663",
    "region": "040ccf0fa2708c28c1f5bf1664f5cf874685dfcbbbee67412d5094eb8bfb2125",
}


@pytest.mark.skipif(PIL.__version__ != GOLDEN_PILLOW, reason=f"golden bytes are of Pillow {GOLDEN_PILLOW}")
@pytest.mark.parametrize(("name", "region"), [("whole", None), ("region", REGION)], ids=["whole", "region"])
def test_preprocessing_gives_the_golden_bytes(name: str, region: Region | None) -> None:
    """Training and trap see the same, to the byte, for one version of Pillow."""
    given = model_input(SCENE.read_bytes(), (224, 224), region)
    assert hashlib.sha256(given.tobytes()).hexdigest() == GOLDEN[name]


@pytest.mark.parametrize("region", [None, REGION], ids=["whole", "region"])
def test_reduced_decoding_hardly_differs_from_decoding_in_full(region: Region | None) -> None:
    """DESIGN 2: the mean difference stays far below what quantisation takes away."""
    full = model_input(np.asarray(Image.open(SCENE).convert("RGB")), (224, 224), region)
    reduced = model_input(SCENE.read_bytes(), (224, 224), region)
    assert np.abs(full.astype(int) - reduced).mean() < 1.0


def test_the_input_is_uint8_height_by_width_by_rgb() -> None:
    """`size` is (width, height), the array (height, width, 3)."""
    given = model_input(SCENE.read_bytes(), (200, 100))
    assert (given.shape, given.dtype) == ((100, 200, 3), np.uint8)


def test_a_region_shows_what_lies_there() -> None:
    """The right half of a picture that is black left and white right is white."""
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:] = 255
    right = Region(left=0.5, top=0.0, width=0.5, height=1.0)
    assert model_input(picture, (8, 8), right).min() == 255


def test_small_regions_ask_for_more_pixels() -> None:
    """A quarter of the width needs four times the decoded width."""
    assert enough_for((224, 224), REGION) == (1792, 896)
