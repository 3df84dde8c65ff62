"""What a head learns from each picture: the same pictures for whoever trains, whatever else is asked for."""

import numpy as np
import pytest

from uncia_training.features.augmentation import AUGMENTATIONS, Augmentation, augmented

OTHERS = AUGMENTATIONS[2:]


@pytest.fixture
def picture() -> np.ndarray:
    """A coloured model input."""
    rows, columns = np.mgrid[:60, :80]
    return np.stack([rows * 4, columns * 3, (rows + columns) % 256], axis=2).astype(np.uint8)


def test_the_first_is_the_picture_itself_and_the_second_its_mirror_image(picture: np.ndarray) -> None:
    """What is scored is what the trap sees."""
    plain, mirror = augmented(picture, AUGMENTATIONS[:2], 1)
    assert np.array_equal(plain, picture) and np.array_equal(mirror, picture[:, ::-1])


@pytest.mark.parametrize("name", OTHERS)
def test_an_augmentation_does_not_depend_on_what_is_asked_for_besides(picture: np.ndarray, name: Augmentation) -> None:
    """A store that lacks some rows gets those that a whole pass would have given."""
    [alone] = augmented(picture, [name], 7)
    assert np.array_equal(alone, augmented(picture, AUGMENTATIONS, 7)[AUGMENTATIONS.index(name)])


@pytest.mark.parametrize("name", OTHERS)
def test_another_seed_gives_another_picture(picture: np.ndarray, name: Augmentation) -> None:
    """Each picture of a data set is changed in its own way."""
    (one,), (other,) = (augmented(picture, [name], seed) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_no_two_augmentations_of_a_picture_are_equal(picture: np.ndarray) -> None:
    """Six scenes are six different scenes."""
    assert len({one.tobytes() for one in augmented(picture, AUGMENTATIONS, 3)}) == len(AUGMENTATIONS)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (120, 120), (224, 260)], ids=str)
def test_any_size_stays_as_it_is(size: tuple[int, int]) -> None:
    """Networks see pictures of different sizes."""
    image = np.full((*size, 3), 90, np.uint8)
    assert {one.shape for one in augmented(image, AUGMENTATIONS, 0)} == {image.shape}


@pytest.mark.parametrize(("level", "least", "most"), [(0, 0, 64), (255, 16, 255)], ids=["black", "white"])
def test_a_black_and_a_white_picture_stay_within_a_byte(level: int, least: int, most: int) -> None:
    """No pixel of a black picture becomes white by overflow, and none of a white one black."""
    image = np.full((40, 40, 3), level, np.uint8)
    flashes = np.stack(augmented(image, ["part_by_flash", "part_by_infrared"], 4))
    assert least <= flashes.min() and flashes.max() <= most


def test_infrared_is_grey(picture: np.ndarray) -> None:
    """The trap tells infrared by that."""
    [grey] = augmented(picture, ["part_by_infrared"], 5)
    assert np.ptp(grey, axis=2).max() == 0


def test_some_scenes_are_grey_and_some_are_coloured(picture: np.ndarray) -> None:
    """A landscape by night and by day."""
    scenes = (view for seed in range(4) for view in augmented(picture, AUGMENTATIONS[2:8], seed))
    assert len({bool(np.ptp(one, axis=2).mean() < 6) for one in scenes}) == 2


def test_names_of_release_0_1_are_not_used_for_other_pictures() -> None:
    """Rows that an older release stored under these names show another imitation of infrared."""
    assert not {"infrared", "infrared_mirror"} & set(AUGMENTATIONS)
