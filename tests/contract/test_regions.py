"""Regions: the burst finds its own animal, on rendered scenes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from uncia_contract.regions import Region, RegionRule, crop_box, regions, thumbnail

RULE = RegionRule()
HEIGHT, WIDTH = 192, 256


def ground(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A slope with rocks: float (height, width), about 60 to 140."""
    rng = np.random.default_rng(seed)
    rocks = Image.fromarray(rng.integers(70, 130, (height // 12 + 1, width // 12 + 1), dtype=np.uint8))
    return np.asarray(rocks.resize((width, height), Image.Resampling.BICUBIC), dtype=float)


def scene(at: tuple[int, int] | None, seed: int = 0, side: int = 20, contrast: float = -40, noise: float = 2.0):
    """A frame of one trap: uint8, with a dark animal of that side at (x, y), and its own noise."""
    frame = ground()
    if at is not None:
        x, y = at
        frame[y : y + side, x : x + side] += contrast
    frame += np.random.default_rng(1000 + seed).normal(0, noise, frame.shape)
    return frame.clip(0, 255).astype(np.uint8)


def walk(*places: tuple[int, int] | None, **kwargs) -> list[np.ndarray]:
    """A burst: the animal at each place in turn."""
    return [scene(at, seed=n, **kwargs) for n, at in enumerate(places)]


def covered(region: Region | None, at: tuple[int, int], side: int = 20, shape=(HEIGHT, WIDTH)) -> float:
    """The share of the animal's box that lies in the region; the whole frame covers nothing here."""
    if region is None:
        return 0.0
    left, top, right, bottom = crop_box(region, (shape[1], shape[0]))
    across = min(right, at[0] + side) - max(left, at[0])
    down = min(bottom, at[1] + side) - max(top, at[1])
    return max(across, 0) * max(down, 0) / side**2


def shifted(region: Region | None, other: Region | None) -> float:
    """How far two regions' centres lie apart, in fractions of the frame."""
    assert region is not None
    assert other is not None
    across = region.left + region.width / 2 - other.left - other.width / 2
    return float(np.hypot(across, region.top + region.height / 2 - other.top - other.height / 2))


places = st.tuples(st.integers(0, WIDTH - 20), st.integers(12, HEIGHT - 40))


@settings(max_examples=40, deadline=None)
@given(st.lists(places | st.none(), min_size=1, max_size=6), st.integers(1, 60))
def test_a_region_lies_inside_its_frame(burst, contrast):
    """Whatever moves, left and top are not negative and right and bottom not beyond 1."""
    found = [choice.region for choice in regions(walk(*burst, contrast=-contrast), RULE)]
    assert all(
        0 <= r.left <= r.left + r.width <= 1 + 1e-9 and 0 <= r.top <= r.top + r.height <= 1 + 1e-9
        for r in found
        if r is not None
    )


@settings(max_examples=40, deadline=None)
@given(places, places, places)
def test_the_region_moves_with_the_animal(first, second, third):
    """Of three frames with an animal in three places, each frame's region holds the animal of that frame."""
    apart = [np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in ((first, second), (second, third), (first, third))]
    if min(apart) < 30:
        return
    found = regions(walk(first, second, third), RULE)
    assert all(covered(choice.region, at) > 0.7 for choice, at in zip(found, (first, second, third), strict=True))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-10, 60), min_size=4, max_size=4))
def test_a_change_of_overall_brightness_does_not_move_a_region(brightness):
    """Each frame made brighter or darker by its own amount gives the same regions."""
    burst = walk((10, 90), (60, 95), (120, 100), (180, 110), contrast=-30)
    flickering = [(frame.astype(int) + by).astype(np.uint8) for frame, by in zip(burst, brightness, strict=True)]
    assert regions(flickering, RULE) == regions(burst, RULE)


def test_the_middle_frame_of_three_takes_its_neighbours_region():
    """An animal that leaves and comes back makes the middle frame the median: it borrows."""
    at = (100, 90)
    middle = scene(at, seed=1)
    burst = [scene((94, 90)), middle, scene((106, 90), seed=2)]
    found = regions(burst, RULE)
    assert [choice.reason for choice in found][1] in {"neighbour", "changed"}
    assert covered(found[1].region, at) > 0.7


def test_nothing_moves_and_the_whole_frame_is_scored():
    """Noise alone gives no region."""
    assert {choice.reason for choice in regions(walk(None, None, None, None), RULE)} == {"no-change"}


def test_a_single_frame_without_background_is_scored_whole():
    """There is nothing to compare it with."""
    assert regions(walk((10, 90)), RULE)[0].reason == "single-frame"


def test_a_single_frame_is_compared_with_the_rolling_background():
    """A trap that knows its view finds the animal of a one-frame burst."""
    (choice,) = regions(walk((10, 90)), RULE, background=scene(None, seed=9))
    assert covered(choice.region, (10, 90)) > 0.7


def test_two_frames_are_compared_with_each_other():
    """Without a background each of two frames is the other's."""
    found = regions(walk((10, 90), (60, 90)), RULE)
    assert min(covered(found[0].region, (10, 90)), covered(found[1].region, (60, 90))) > 0.7


def test_frames_of_unequal_size_are_scored_whole():
    """A burst whose frames differ in shape cannot be compared."""
    burst = [scene((10, 90)), scene((60, 90))[:, :200], scene((90, 90))]
    assert {choice.reason for choice in regions(burst, RULE)} == {"sizes-differ"}


def test_an_empty_burst_has_no_choices():
    """No frames, no regions."""
    assert regions([], RULE) == []


def test_a_running_clock_in_the_info_strip_is_not_an_animal():
    """What changes in the strips is not looked at."""
    burst = walk(None, None, None)
    for n, frame in enumerate(burst):
        frame[-14:, 100 + 20 * n : 120 + 20 * n] = 255
        frame[:8, 10 * n : 10 * n + 30] = 0
    assert {choice.reason for choice in regions(burst, RULE)} == {"no-change"}


def test_configured_strips_replace_the_rules():
    """A trap whose camera burns in no strips looks at the frame's very edges."""
    burst = walk((10, HEIGHT - 14), (60, HEIGHT - 14), (120, HEIGHT - 14), side=14)
    assert covered(regions(burst, RULE, strips=(0.0, 0.0))[0].region, (10, HEIGHT - 14), side=14) > 0.7


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(0, 1)] * 4),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_crop_box_lies_inside_its_frame(corners, size):
    """Any region of any frame gives at least one pixel and none outside."""
    a, b, c, d = corners
    region = Region(min(a, b), min(c, d), abs(a - b), abs(c - d))
    left, top, right, bottom = crop_box(region, size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


def test_a_crop_box_is_square_in_pixels():
    """A region found on a thumbnail is square in the full frame too."""
    burst = walk((10, 90), (60, 95), (120, 100))
    region = regions(burst, RULE)[0].region
    assert region is not None
    left, top, right, bottom = crop_box(region, (4000, 3000))
    assert right - left == bottom - top


@pytest.mark.parametrize(
    "size", [(1, 1), (7, 900), (900, 7), (4000, 3000)], ids=["dot", "tall", "flat", "12 megapixels"]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_thumbnail_keeps_the_shape_of_any_picture(size, mode):
    """Grey uint8, at most 256 wide, never enlarged, at least one pixel high."""
    small = thumbnail(Image.new(mode, size, 77 if mode == "L" else (77, 77, 77)), RULE)
    width = min(size[0], 256)
    assert (small.shape, small.dtype) == ((max(1, round(size[1] * width / size[0])), width), np.uint8)


def test_a_thumbnail_stays_raw_grey():
    """Its levels are the picture's: nothing is subtracted yet."""
    assert set(thumbnail(Image.new("RGB", (640, 480), (77, 77, 77)), RULE).ravel()) == {77}
