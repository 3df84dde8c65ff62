"""Regions: where the animal of a burst is found, on rendered scenes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from uncia_contract.bursts.regions import RegionChoice, RegionRule, regions, thumbnail
from uncia_contract.pictures.jpeg import pixel_box
from uncia_contract.pictures.region import Region

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
    """The share of the animal's box that lies in the region; 0 without a region."""
    if region is None:
        return 0.0
    left, top, right, bottom = pixel_box(region, (shape[1], shape[0]))
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
    """For any burst, left and top are at least 0, right and bottom at most 1."""
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


def test_a_frame_that_shows_no_change_takes_its_nearest_neighbours_region():
    """The animal is out of the middle frame only: this frame takes a neighbour's region."""
    found = regions(walk((20, 90), None, (180, 90)), RULE)
    assert (found[1].reason, found[1].region) == ("neighbour", found[0].region)


def test_the_middle_frame_of_three_finds_its_own_animal():
    """An animal walks less than its own length: the median is nearly the middle frame, which still gets a region."""
    found = regions(walk((88, 90), (100, 90), (112, 90)), RULE)
    assert covered(found[1].region, (100, 90)) > 0.7


def test_nothing_moves_and_the_whole_frame_is_scored():
    """Noise alone gives no region."""
    assert {choice.reason for choice in regions(walk(None, None, None, None), RULE)} == {"no-change"}


def test_a_single_frame_without_background_is_scored_whole():
    """There is nothing to compare it with."""
    assert regions(walk((10, 90)), RULE)[0].reason == "single-frame"


def test_a_single_frame_is_compared_with_the_rolling_background():
    """With a background, the animal of a one-frame burst is found."""
    (choice,) = regions(walk((10, 90)), RULE, background=scene(None, seed=9))
    assert covered(choice.region, (10, 90)) > 0.7


def test_two_frames_are_compared_with_each_other():
    """Without a background, each of two frames is the reference of the other."""
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
    """Changes in the strips are ignored."""
    burst = walk(None, None, None)
    for n, frame in enumerate(burst):
        frame[-14:, 100 + 20 * n : 120 + 20 * n] = 255
        frame[:8, 10 * n : 10 * n + 30] = 0
    assert {choice.reason for choice in regions(burst, RULE)} == {"no-change"}


def test_a_ghost_does_not_move_the_region():
    """A ghost is the place where an animal stays in most frames, seen as a difference in a frame without it there.

    In frames 1 to 3 the animal is near the camera in nearly one place, so their median shows it. The first frame's
    region holds the small animal of that frame, not the ghost.
    """
    spots = np.random.default_rng(4).integers(-45, 45, (10, 10)).repeat(9, axis=0).repeat(9, axis=1)
    first = scene((210, 100))
    rested = [scene(None, seed=n + 1).astype(int) for n in range(3)]
    for n, frame in enumerate(rested):
        frame[40:130, 20 + 6 * n : 110 + 6 * n] += spots
    burst = [first, *(frame.clip(0, 255).astype(np.uint8) for frame in rested)]
    region = regions(burst, RULE)[0].region
    assert region is not None
    assert covered(region, (210, 100)) > 0.7
    assert region.height < 0.5


def test_a_second_change_far_away_does_not_enlarge_the_region():
    """A tuft of grass that sways at the other side of the frame: the animal's region stays small."""
    burst = walk((10, 90), (60, 95), (120, 100), contrast=-45)
    for n, frame in enumerate(burst):
        frame[20:28, 230 + 8 * n : 236 + 8 * n] += 40
    assert all(choice.region is not None and choice.region.height < 0.35 for choice in regions(burst, RULE))


def test_a_low_contrast_animal_is_found():
    """Twelve grey levels, after the thumbnail's averaging, are enough."""
    found = regions(walk((10, 90), (60, 95), (120, 100), contrast=-12, noise=1.0), RULE)
    assert all(covered(found[n].region, at) > 0.7 for n, at in enumerate([(10, 90), (60, 95), (120, 100)]))


def test_an_animal_that_never_moves_is_found_against_the_background():
    """Nothing changes within the burst, but there is a background."""
    found = regions(walk((100, 90), (100, 90), (100, 90)), RULE, background=scene(None, seed=9))
    assert [choice.reason for choice in found] == ["background"] * 3
    assert covered(found[0].region, (100, 90)) > 0.7


def test_a_background_of_another_view_is_ignored():
    """After a trap was moved, frames are not compared with the old view."""
    old = ground(seed=77).astype(np.uint8)
    assert {choice.reason for choice in regions(walk(None, None, None), RULE, background=old)} == {"no-change"}


def test_a_single_frame_is_not_compared_with_another_view():
    """A moved trap's first one-frame burst is scored whole."""
    old = ground(seed=77).astype(np.uint8)
    assert regions(walk((10, 90)), RULE, background=old)[0].reason == "single-frame"


def test_a_background_of_another_size_is_ignored():
    """For example after the camera was set to another resolution."""
    assert regions(walk((10, 90)), RULE, background=scene(None)[:, :200])[0].reason == "single-frame"


def knocked(frame: np.ndarray, down: int, across: int) -> np.ndarray:
    """The frame after the camera was pushed: shifted, with more ground at the edges."""
    return np.roll(frame, (down, across), axis=(0, 1))


WALK = ((10, 90), (50, 95), (90, 95), (130, 100), (170, 100), (200, 100))


@pytest.mark.parametrize("push", [(9, 14), (0, 6), (-30, 40)], ids=["some", "little", "far"])
def test_frames_after_a_knock_are_scored_whole(push):
    """The last of six frames is after the push: it is scored whole, with the reason; the others keep their regions."""
    burst = walk(*WALK)
    burst[5] = knocked(burst[5], *push)
    found = regions(burst, RULE)
    assert found[5] == RegionChoice(None, "camera-moved")
    assert all(covered(found[n].region, WALK[n]) > 0.7 for n in range(5))


@pytest.mark.parametrize("flash", [0.0, 0.03], ids=["none", "hardly any"])
def test_a_frame_whose_flash_failed_is_scored_whole(flash):
    """The dark frame is scored whole; the others still get their regions."""
    burst = walk(*WALK)
    burst[2] = (burst[2] * flash + np.random.default_rng(5).normal(6, 2, burst[2].shape)).clip(0, 255).astype(np.uint8)
    found = regions(burst, RULE)
    assert (found[2].region, found[2].reason) == (None, "light-changed")
    assert all(covered(found[n].region, WALK[n]) > 0.7 for n in (0, 1, 3, 4, 5))


def test_a_weaker_flash_moves_no_region():
    """Half the light on one frame is a change of contrast, not an animal."""
    burst = walk(*WALK)
    burst[3] = (burst[3] * 0.6 + 8).astype(np.uint8)
    found = regions(burst, RULE)
    assert all(covered(choice.region, at) > 0.7 for choice, at in zip(found, WALK, strict=True))


def test_a_weaker_flash_alone_is_no_animal():
    """Bright rocks that are half as bright in one frame have not moved."""
    burst = walk(None, None, None, None)
    for frame in burst:
        frame[30:60, 20:50] = frame[80:110, 120:150] = frame[40:70, 200:230] = 200
    burst[2] = (burst[2] * 0.5).astype(np.uint8)
    assert {choice.reason for choice in regions(burst, RULE)} == {"no-change"}


def test_a_frame_in_another_slant_of_light_is_scored_whole():
    """A gradient of light over one frame: it does not take a neighbour's region."""
    burst = walk(*WALK)
    burst[2] = (burst[2] + np.linspace(0, 80, WIDTH)).clip(0, 255).astype(np.uint8)
    assert regions(burst, RULE)[2] == RegionChoice(None, "light-changed")


def test_specks_far_apart_are_no_animal():
    """Changed pixels in three small places give no region."""
    burst = walk(None, None, None)
    for y, x in ((40, 20), (90, 200), (150, 90)):
        burst[0][y : y + 2, x : x + 2] = 255
    burst[0][90:93, 200:203] = 255
    assert {choice.reason for choice in regions(burst, RULE)} == {"no-change"}


def test_day_and_infrared_frames_are_compared_among_themselves():
    """Three frames by day and three by infrared, with other grey levels: all get their regions."""
    burst = walk(*WALK)
    for frame in burst[3:]:
        frame[:] = (240 - frame.astype(float) * 0.9).clip(0, 255).astype(np.uint8)
    found = regions(burst, RULE)
    assert all(covered(choice.region, at) > 0.7 for choice, at in zip(found, WALK, strict=True))


def test_a_lone_frame_of_another_light_is_scored_whole():
    """Five frames by day, one by infrared: there is nothing to compare the one with."""
    burst = walk(*WALK)
    burst[5][:] = 240 - burst[5] // 2 * 2
    found = regions(burst, RULE)
    assert (found[5].region, found[0].reason) == (None, "changed")


def test_sunrise_within_a_burst_gives_no_region():
    """Light that increases over a part of the scene gives no region."""
    lit = np.linspace(0, 1, WIDTH).clip(0.3, 0.7) * np.ones((HEIGHT, 1))
    burst = [(scene(None, seed=n) + 40 * n * lit).clip(0, 255).astype(np.uint8) for n in range(5)]
    assert {choice.region for choice in regions(burst, RULE)} == {None}


def test_snowfall_is_scored_whole():
    """Flakes all over the frame give no region."""
    burst = walk(None, None, None, None, None)
    for n, frame in enumerate(burst):
        rng = np.random.default_rng(n)
        for x, y in zip(rng.integers(2, WIDTH - 8, 60), rng.integers(12, HEIGHT - 24, 60), strict=True):
            frame[y : y + rng.integers(2, 6), x : x + rng.integers(2, 6)] = 230
    assert {choice.region for choice in regions(burst, RULE)} == {None}


def test_configured_strips_replace_the_rules():
    """With strips of height 0, an animal at the frame's lower edge is found."""
    burst = walk((10, HEIGHT - 14), (60, HEIGHT - 14), (120, HEIGHT - 14), side=14)
    assert covered(regions(burst, RULE, strips=(0.0, 0.0))[0].region, (10, HEIGHT - 14), side=14) > 0.7


def test_a_region_is_square_in_pixels():
    """A region found on a thumbnail is square in the full frame too, up to rounding."""
    burst = walk((10, 90), (60, 95), (120, 100))
    region = regions(burst, RULE)[0].region
    assert region is not None
    left, top, right, bottom = pixel_box(region, (4000, 3000))
    assert abs((right - left) - (bottom - top)) <= 1


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
    """Its grey levels are those of the picture."""
    assert set(thumbnail(Image.new("RGB", (640, 480), (77, 77, 77)), RULE).ravel()) == {77}
