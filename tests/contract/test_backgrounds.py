"""A trap's background: what it sees in each light when nothing is there."""

import numpy as np
import pytest
from PIL import Image

from uncia_contract.backgrounds import Background, is_infrared

SLOPE = np.tile(np.arange(60, 124, dtype=np.uint8), (48, 1))
DARK = SLOPE // 3


def with_animal(at: int) -> np.ndarray:
    """The slope with something bright on it."""
    frame = SLOPE.copy()
    frame[20:30, at : at + 8] = 250
    return frame


def test_an_unknown_view_has_no_background():
    """Before the first burst there is nothing to compare with."""
    assert Background().seen(SLOPE, infrared=False) is None


def test_an_animal_that_walks_through_a_burst_leaves_no_trace():
    """The burst's median is the ground."""
    burst = [with_animal(at) for at in (0, 20, 40)]
    assert np.array_equal(Background().updated(burst, infrared=False).seen(SLOPE, infrared=False), SLOPE)


def test_an_animal_that_rests_through_two_of_five_bursts_leaves_no_trace():
    """The median over bursts is the ground."""
    known = Background()
    for burst in ([SLOPE], [with_animal(20)], [SLOPE], [with_animal(20)], [SLOPE]):
        known = known.updated(burst, infrared=False)
    assert np.array_equal(known.seen(SLOPE, infrared=False), SLOPE)


def test_the_view_of_last_season_is_forgotten():
    """Five bursts with snow replace what was before."""
    known = Background().updated([SLOPE], infrared=False)
    for _ in range(5):
        known = known.updated([SLOPE[::-1, ::-1]], infrared=False)
    assert np.array_equal(known.seen(SLOPE, infrared=False), SLOPE[::-1, ::-1])


def test_day_and_infrared_are_kept_apart():
    """A night's burst does not touch the day's background."""
    known = Background().updated([SLOPE], infrared=False).updated([DARK], infrared=True)
    assert np.array_equal(known.seen(SLOPE, infrared=False), SLOPE)


def test_other_sizes_are_kept_apart():
    """A thumbnail of another shape has a background of its own."""
    assert Background().updated([SLOPE], infrared=False).seen(SLOPE[:40], infrared=False) is None


def test_a_background_is_a_value():
    """Updating gives another and leaves this one as it was."""
    known = Background()
    known.updated([SLOPE], infrared=False)
    assert known.seen(SLOPE, infrared=False) is None


def test_a_burst_without_pictures_changes_nothing():
    """All frames unreadable: the background stays."""
    known = Background()
    assert known.updated([], infrared=True) is known


def test_bursts_of_different_brightness_mix_at_the_newest_ones():
    """Dusk makes each burst darker; the ground's shape stays, at the last brightness."""
    known = Background()
    for darker in (0, 10, 20, 30):
        known = known.updated([SLOPE - darker], infrared=False)
    assert np.array_equal(known.seen(SLOPE, infrared=False), SLOPE - 30)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((90, 90, 90), True), ((96, 92, 88), True), ((120, 110, 80), False)],
    ids=["grey", "tinted by the sensor", "ground by day"],
)
def test_infrared_pictures_have_no_colour(colour, expected):
    """As good as colourless is infrared."""
    assert is_infrared(Image.new("RGB", (640, 480), colour)) is expected


def test_a_coloured_logo_does_not_make_day():
    """Infrared frames of some cameras carry one."""
    image = Image.new("RGB", (640, 480), (60, 60, 60))
    image.paste((0, 200, 0), (560, 450, 640, 480))
    assert is_infrared(image)


def test_a_picture_without_channels_is_infrared():
    """Mode L has no colour."""
    assert is_infrared(Image.new("L", (64, 48)))
