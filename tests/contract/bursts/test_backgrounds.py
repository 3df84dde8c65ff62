"""A trap's background: its view without an animal, in each light."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from uncia_contract.bursts.backgrounds import Background, background_from_bytes, background_to_bytes
from uncia_contract.errors import StorageError
from uncia_contract.npz import write_arrays
from uncia_contract.pictures.light import Light

Grey = NDArray[np.uint8]
SLOPE = np.tile(np.arange(60, 124, dtype=np.uint8), (48, 1))
DARK = SLOPE // 3


def with_animal(at: int) -> Grey:
    """The slope with something bright on it."""
    frame = SLOPE.copy()
    frame[20:30, at : at + 8] = 250
    return frame


def after(*bursts: Sequence[Grey], light: Light = "day", known: Background | None = None) -> Background:
    """The background after these bursts."""
    known = known or Background()
    for burst in bursts:
        known = known.updated(burst, light)
    return known


@pytest.mark.parametrize("bursts", [0, 1, 2])
def test_before_the_third_burst_there_is_no_background(bursts: int) -> None:
    """The first ones may all show the animal that triggered the camera."""
    assert after(*[[with_animal(20)]] * bursts).seen(SLOPE.shape, "day") is None


def test_an_animal_that_walks_through_bursts_leaves_no_trace() -> None:
    """The medians are the ground."""
    burst = [with_animal(at) for at in (0, 20, 40)]
    assert np.array_equal(after(burst, burst, burst).seen(SLOPE.shape, "day"), SLOPE)


def test_animals_at_different_places_do_not_show_in_the_median() -> None:
    """Bursts of one frame, each with an animal, which changes only the brightness a little."""
    seen = after(*([with_animal(at)] for at in (0, 20, 40))).seen(SLOPE.shape, "day")
    assert seen is not None
    assert np.ptp(seen.astype(int) - SLOPE) <= 4  # the animals are 130 brighter


def test_an_animal_that_rests_through_two_of_five_bursts_leaves_no_trace() -> None:
    """The median over bursts is the ground."""
    known = after([SLOPE], [with_animal(20)], [SLOPE], [with_animal(20)], [SLOPE])
    assert np.array_equal(known.seen(SLOPE.shape, "day"), SLOPE)


def test_the_view_of_last_season_is_replaced() -> None:
    """Five bursts with snow replace what was before."""
    known = after(*[[SLOPE]] * 5, *[[SLOPE[::-1, ::-1]]] * 5)
    assert np.array_equal(known.seen(SLOPE.shape, "day"), SLOPE[::-1, ::-1])


def test_day_and_infrared_are_kept_apart() -> None:
    """A night's bursts do not touch the day's background."""
    known = after(*[[DARK]] * 3, light="infrared", known=after(*[[SLOPE]] * 3))
    assert np.array_equal(known.seen(SLOPE.shape, "day"), SLOPE)
    assert np.array_equal(known.seen(SLOPE.shape, "infrared"), DARK)


def test_other_sizes_are_kept_apart() -> None:
    """A thumbnail of another shape has a background of its own."""
    assert after(*[[SLOPE]] * 3).seen((40, 64), "day") is None


def test_updating_a_background_does_not_change_it() -> None:
    """Updating gives another and leaves this one as it was."""
    known = after([SLOPE], [SLOPE])
    known.updated([SLOPE], "day")
    assert known.seen(SLOPE.shape, "day") is None


def test_a_burst_without_pictures_changes_nothing() -> None:
    """All frames unreadable: the background stays."""
    known = Background()
    assert known.updated([], "infrared") is known


def test_bursts_of_different_brightness_mix_at_the_newest_ones() -> None:
    """Dusk makes each burst darker; the ground's shape stays, at the last brightness."""
    known = after(*([SLOPE - darker] for darker in (0, 10, 20, 30)))
    assert np.array_equal(known.seen(SLOPE.shape, "day"), SLOPE - 30)


def test_a_stored_background_is_read_back() -> None:
    """Both lights and all bursts, in their order."""
    known = after(*([DARK + n] for n in range(4)), light="infrared", known=after(*([SLOPE - n] for n in range(5))))
    again = background_from_bytes(background_to_bytes(known))
    assert list(again.medians) == list(known.medians)
    for key, medians in known.medians.items():
        assert all(np.array_equal(one, other) for one, other in zip(again.medians[key], medians, strict=True))


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 torn", write_arrays({"day-0": np.zeros((3, 4))}),
     write_arrays({"dusk-0": np.zeros((1, 3, 4), np.uint8)})],
    ids=["empty", "torn", "other numbers", "no light"],
)  # fmt: skip
def test_a_damaged_background_is_refused(data: Any) -> None:
    """With one line, so that the trap can start a new one."""
    with pytest.raises(StorageError, match="background"):
        background_from_bytes(data)
