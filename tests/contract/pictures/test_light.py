"""Daylight or infrared, recognised by colour."""

import numpy as np
import pytest

from uncia_contract.pictures.light import light_of


def picture(red: int, green: int, blue: int) -> np.ndarray:
    """A picture of one colour with a coloured strip at the bottom."""
    made = np.full((100, 80, 3), (red, green, blue), np.uint8)
    made[93:] = (255, 200, 0)
    return made


@pytest.mark.parametrize(
    ("colour", "light"),
    [((90, 90, 90), "infrared"), ((90, 93, 90), "infrared"), ((90, 104, 90), "day"), ((200, 120, 60), "day")],
    ids=["grey", "JPEG noise", "pale", "colourful"],
)
def test_a_grey_scene_is_infrared(colour: tuple[int, int, int], light: str) -> None:
    """Nine tenths of the scene decide; the coloured strip is ignored."""
    assert light_of(picture(*colour)) == light


def test_a_small_coloured_thing_does_not_make_day() -> None:
    """For example an ear tag or a status lamp."""
    scene = picture(70, 70, 70)
    scene[40:50, 40:50] = (250, 30, 30)
    assert light_of(scene) == "infrared"
