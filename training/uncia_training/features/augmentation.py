"""Augmentations for training: the model input as it is, mirrored, in other scenes, and as two kinds of flash show it.

All are made from the model input (uint8 height x width x 3), so that preprocessing is always the contract's function.
Reasons for this choice, and the gain of each: docs/decisions/0021-views.md.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Image8 = NDArray[np.uint8]
Light = NDArray[np.floating[Any]]  # 0 to 255, height x width or height x width x 3

# These names are part of a stored row's key, and their order is part of the seeds: if a view changes, change its name,
# and add new ones at the end. `infrared` and `infrared_mirror` are views of release 0.1.
Augmentation = Literal[
    "plain", "mirror", "scene1", "scene2", "scene3", "scene4", "scene5", "scene6", "part_by_flash", "part_by_infrared"
]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's convert("L")
INFRARED = np.array([0.45, 0.45, 0.1], np.float32)  # fur reflects infrared light as it does red and green, or better
FIELDS = 16


def augmented(image: Image8, names: Sequence[Augmentation], seed: int) -> list[Image8]:
    """The named augmentations of a model input; a seed gives each view the same pixels, whatever else is asked for."""
    return [_augmented(image, name, seed) for name in names]


def _augmented(image: Image8, name: Augmentation, seed: int) -> Image8:
    if name == "plain":
        return image
    if name == "mirror":
        return mirrored(image)
    chance = np.random.default_rng((seed, AUGMENTATIONS.index(name)))
    if name.startswith("scene"):
        return in_a_scene(image, chance)
    by: Callable[[Image8, np.random.Generator], Image8] = by_flash if name == "part_by_flash" else by_infrared
    return by(part(image, chance), chance)


def mirrored(image: Image8) -> Image8:
    """The image with left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def part(image: Image8, chance: np.random.Generator) -> Image8:
    """A random part of the image, 0.45 to 0.85 of each side, enlarged to the size of the image."""
    height, width = image.shape[:2]
    share = chance.uniform(0.45, 0.85)
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    top, left = chance.integers(height - rows + 1), chance.integers(width - columns + 1)
    return _resized(image[top : top + rows, left : left + columns], (width, height))


def by_flash(image: Image8, chance: np.random.Generator) -> Image8:
    """The image as with a white flash: pale colours, bright subject, soft highlights, dark away from the lamp."""
    strength, light = chance.random(), image.astype(np.float32) / 255
    grey = (light @ LUMA)[..., np.newaxis]
    pale = (grey + (light - grey) * (0.9 - 0.5 * strength)) * np.array([0.97, 1.0, 1.04], np.float32)
    lit = pale ** (0.95 - 0.25 * strength) * (1.05 + 0.35 * strength)
    lit *= _fall_off(image.shape, 0.3 + 0.6 * strength, chance)[..., np.newaxis]
    lit = np.where(lit > 0.8, 0.8 + 0.2 * np.tanh((lit - 0.8) / 0.2), lit)
    return _noisy(_soft(255 * lit, 1 - 0.42 * strength, 0.4 * strength), 1 + 3 * strength, chance)


def by_infrared(image: Image8, chance: np.random.Generator) -> Image8:
    """The image as with an infrared flash: grey, bright fur, flat, soft, blurred by motion, dark away from the lamp."""
    strength = chance.random()
    grey = 255 * (image.astype(np.float32) @ INFRARED / 255) ** (1 - 0.25 * strength)
    soft = _soft(grey, 0.9 - 0.5 * strength, 0.5 * strength)
    moved = _moved(soft, int(chance.integers(1, 2 + int(5 * strength))), chance.uniform(0, np.pi))
    flat = moved.mean() + (moved - moved.mean()) * (1 - 0.35 * strength)
    lit = flat * (1.05 - 0.45 * strength) * _fall_off(image.shape, 0.15 + 0.6 * strength, chance)
    return _noisy(lit, 1 + 5 * strength, chance)


def in_a_scene(image: Image8, chance: np.random.Generator) -> Image8:
    """The image, smaller and with soft edges, at a random place of an artificial scene; half of them are grey.

    The scene is noise with the spectrum of natural pictures. All classes get such scenes, so that a head cannot learn
    that an animal in a landscape is not a leopard.
    """
    height, width = image.shape[:2]
    texture, colour = _field(height, width, chance), _field(height, width, chance)
    scene = (chance.uniform(50, 190) + chance.uniform(15, 55) * texture)[..., np.newaxis]
    if chance.random() < 0.5:
        image = greyed(image)
    else:
        warm = np.array([1.0, 0.1, -1.0], np.float32)
        scene = (
            scene * (1 + chance.uniform(-0.15, 0.15) * warm) + chance.uniform(0, 10) * colour[..., np.newaxis] * warm
        )
    return _noisy(pasted(image, np.clip(scene, 0, 255), chance), chance.uniform(0, 2), chance)


def greyed(image: Image8) -> Image8:
    """The image with the brightness that infrared light gives it, in three equal channels."""
    return np.repeat((image @ INFRARED).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def pasted(image: Image8, scene: Light, chance: np.random.Generator) -> Light:
    """The scene with an ellipse of the image, its light adjusted to the scene; up to a fifth may lie outside."""
    height, width = image.shape[:2]
    share = chance.uniform(0.45, 0.95)
    rows, columns = max(2, round(height * share)), max(2, round(width * share))
    small = _resized(image, (columns, rows)).astype(np.float32)
    nearer, contrast = chance.uniform(0.2, 0.8), np.clip(scene.std() / (small.std() + 1e-3), 0.5, 1.5)
    level = small.mean() * (1 - nearer) + scene.mean() * nearer
    lit = (small - small.mean()) * (1 - nearer + nearer * contrast) + level
    top = int(chance.integers(-rows // 5, height - rows + rows // 5 + 1))
    left = int(chance.integers(-columns // 5, width - columns + columns // 5 + 1))
    here = np.s_[max(top, 0) : top + rows, max(left, 0) : left + columns]
    there = np.s_[max(-top, 0) : height - top, max(-left, 0) : width - left]
    visible = np.clip((1 - _distance(rows, columns)) / 0.3, 0, 1)[..., np.newaxis][there]
    result = np.broadcast_to(scene, image.shape).astype(np.float32)
    result[here] = result[here] * (1 - visible) + lit[there] * visible
    return result


def _field(height: int, width: int, chance: np.random.Generator) -> Light:
    """Noise of mean 0 and variance 1, float32 (height, width): one of `FIELDS` fields, shifted at random."""
    field = _fields(height, width)[int(chance.integers(FIELDS))]
    return np.roll(field, (int(chance.integers(height)), int(chance.integers(width))), (0, 1))


@cache
def _fields(height: int, width: int) -> list[Light]:
    """Periodic noise fields, float32 (height, width); amplitude = frequency to the power of -0.7 to -1.4."""
    chance = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    found = []
    for power in np.linspace(0.7, 1.4, FIELDS):
        spectrum = np.exp(2j * np.pi * chance.random(frequency.shape)) / frequency**power
        field = np.fft.irfft2(spectrum, s=(height, width))
        found.append((field / (field.std() + 1e-9)).astype(np.float32))
    return found


def _distance(height: int, width: int, across: float = 0.0, down: float = 0.0) -> Light:
    """The distance of each pixel from the centre, 1 at the middle of the edges; `across`, `down` move the centre."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    distance: Light = np.hypot(rows - down, columns - across).astype(np.float32)
    return distance


def _fall_off(shape: tuple[int, ...], strength: float, chance: np.random.Generator) -> Light:
    """The light of a lamp that points near the middle: 1 there, about 1 - strength in the corners."""
    distance = _distance(shape[0], shape[1], chance.uniform(-0.3, 0.3), chance.uniform(-0.1, 0.4))
    return 1 - np.float32(strength) * np.clip(distance**2 / 2, 0, 1)


def _soft(light: Light, share: float, blur: float) -> Light:
    """The picture reduced to this share of its sides, blurred, and enlarged again."""
    height, width = light.shape[:2]
    few = max(1, int(width * share)), max(1, int(height * share))
    small = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).resize(few, Image.Resampling.BILINEAR)
    soft = small.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(soft.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def _moved(light: Light, pixels: int, direction: float) -> Light:
    """The picture blurred by a motion over this many pixels."""
    steps = [(step * np.sin(direction), step * np.cos(direction)) for step in range(-(pixels // 2), (pixels + 1) // 2)]
    moved: Light = np.mean([np.roll(light, (round(down), round(across)), (0, 1)) for down, across in steps], axis=0)
    return moved


def _noisy(light: Light, deviation: float, chance: np.random.Generator) -> Image8:
    """The picture with noise as of a sensor, uint8 height x width x 3."""
    noise = chance.standard_normal(light.shape, np.float32) * np.float32(deviation)
    levels = np.clip(light + noise, 0, 255).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., np.newaxis], 3, axis=2)


def _resized(image: Image8, size: tuple[int, int]) -> Image8:
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
