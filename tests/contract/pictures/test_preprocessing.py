"""Preprocessing gives the same uint8 input for the same bytes on every machine."""

import hashlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from uncia_contract.pictures.preprocessing import RULE, WHOLE, enough_for, model_input
from uncia_contract.pictures.region import Region

SCENE = Path(__file__).parents[1] / "scene.jpg"  # rendered by tests/contract/render_scene.py
REGION = Region(left=0.5, top=0.25, width=0.25, height=0.5)
GOLDEN_PILLOW, GOLDEN_RULE = "13.0.0", "bilinear 1.5"
CASES = {"whole": (224, None), "region": (224, REGION), "a quarter of the scale": (180, None)}
GOLDEN = {
    "whole": "8704f48c5f1439db6a658cb0b4264ac4e3e764c7766dc1d5f17d1463d29f8663",
    "region": "040ccf0fa2708c28c1f5bf1664f5cf874685dfcbbbee67412d5094eb8bfb2125",
    "a quarter of the scale": "58ccb750da95adb3bc493c89f24644ac1bdb63e5b0233e82cddaf474d6e6006c",
}


@pytest.mark.skipif(PIL.__version__ != GOLDEN_PILLOW, reason=f"golden bytes are of Pillow {GOLDEN_PILLOW}")
@pytest.mark.parametrize("name", CASES)
def test_preprocessing_gives_the_golden_bytes(name: str) -> None:
    """Byte for byte with one version of Pillow; other bytes need another `RULE`."""
    side, region = CASES[name]
    given = model_input(SCENE.read_bytes(), (side, side), region)
    assert (RULE, hashlib.sha256(given.tobytes()).hexdigest()) == (GOLDEN_RULE, GOLDEN[name])


@pytest.mark.parametrize("name", CASES)
def test_reduced_decoding_hardly_differs_from_decoding_in_full(name: str) -> None:
    """DESIGN 2: the mean difference is far below the error of quantisation."""
    side, region = CASES[name]
    full = model_input(np.asarray(Image.open(SCENE).convert("RGB")), (side, side), region)
    reduced = model_input(SCENE.read_bytes(), (side, side), region)
    assert np.abs(full.astype(int) - reduced).mean() < 1.0


def test_the_input_is_uint8_height_by_width_by_rgb() -> None:
    """`size` is (width, height), the array (height, width, 3)."""
    given = model_input(SCENE.read_bytes(), (200, 100))
    assert (given.shape, given.dtype) == ((100, 200, 3), np.uint8)


def test_a_region_shows_what_lies_there() -> None:
    """The right half of a picture that is black on the left and white on the right is white."""
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:] = 255
    right = Region(left=0.5, top=0.0, width=0.5, height=1.0)
    assert model_input(picture, (8, 8), right).min() == 255


def test_small_regions_need_more_pixels() -> None:
    """A quarter of the width needs four times the decoded width."""
    assert enough_for((224, 224), REGION) == (1344, 672)


@pytest.mark.parametrize(("side", "enough"), [(96, 144), (224, 336), (240, 336), (260, 336), (320, 400)])
def test_networks_up_to_268_pixels_need_the_scale_of_224(side: int, enough: int) -> None:
    """A burst costs no more decoding with a larger network; each pixel of the input has 1.25 or more."""
    assert enough_for((side, side), WHOLE) == (enough, enough)
