"""Copies of photographs (saved again, mirrored, cropped) are found; photographs that only look similar are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.similar_hashes import miniature

SCENES = 30


def scene(seed: int) -> Image.Image:
    """Shapes of many sizes; each seed gives another photograph."""
    chance, picture = np.random.default_rng(seed), Image.new("RGB", (320, 240), (90, 90, 90))
    for size in (4, 9, 20, 60):
        coarse = Image.fromarray(chance.integers(0, 256, (size, size, 3), np.uint8)).resize(picture.size)
        picture = Image.blend(picture, coarse.filter(ImageFilter.GaussianBlur(2)), 0.45)
    return picture


def small(picture: Image.Image, quality: int = 85) -> np.ndarray:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return miniature(np.asarray(Image.open(stream).convert("RGB")))


def cut(picture: Image.Image, seed: int) -> Image.Image:
    left, top, right, bottom = np.random.default_rng(seed).uniform(0, 0.05, 4)
    return picture.crop((int(left * 320), int(top * 240), int(320 - right * 320), int(240 - bottom * 240)))


ORIGINALS = [small(scene(seed), 95) for seed in range(SCENES)]


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda picture, seed: picture.resize((200, 150)), 30),
        (lambda picture, seed: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 28),
        (cut, 20),
        (lambda picture, seed: cut(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), seed), 20),
    ],
    ids=["scaled", "mirrored", "cut by up to 5 %", "mirrored and cut"],
)
def test_copies_of_thirty_photographs_are_found_and_no_other_is(change, least):
    """Each copy joins its original; no two photographs are joined."""
    copies = [small(change(scene(seed), seed)) for seed in range(SCENES)]
    groups = duplicate_groups([*ORIGINALS, *copies])
    assert groups[:SCENES] == list(range(SCENES))
    assert all(group in (number, SCENES + number) for number, group in enumerate(groups[SCENES:]))
    assert sum(group == number for number, group in enumerate(groups[SCENES:])) >= least


def test_copies_of_a_copy_share_the_first_ones_number():
    """Also if the original comes after some of its copies."""
    original, other = scene(1), scene(2)
    row = [small(other), small(original), small(original.resize((160, 120))), small(cut(original, 4))]
    assert duplicate_groups(row) == [0, 1, 1, 1]


def test_pictures_without_contrast_are_no_copies():
    """Such as black frames of a covered lens."""
    dark = [np.full((48, 48), 3, np.uint8) for _ in range(3)]
    assert duplicate_groups(dark) == [0, 1, 2]


def test_no_pictures_have_no_groups():
    """An empty data set is refused elsewhere."""
    assert duplicate_groups([]) == []


def test_night_pictures_with_the_same_bright_middle_are_no_copies():
    """They show different things."""
    rows, columns = np.mgrid[-1:1:240j, -1:1:320j]
    glow = 200 * np.exp(-2 * (rows**2 + columns**2))[:, :, None]
    nights = [
        Image.fromarray((glow * np.where(np.asarray(scene(seed)) > 110, 1, 0.3)).astype(np.uint8)) for seed in (5, 6)
    ]
    assert duplicate_groups([small(night) for night in nights]) == [0, 1]
