"""Augmentations for training: the model input as it is, mirrored, and as infrared.

All are made from the model input (uint8 height x width x 3), so that preprocessing is always the contract's function.
Reasons for this choice, and the gain of each: docs/decisions/0005-head.md.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Image8 = NDArray[np.uint8]

Augmentation = Literal["plain", "mirror", "infrared", "infrared_mirror"]  # these names are part of a stored row's key
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's convert("L")


def augmented(image: Image8, names: Sequence[Augmentation], seed: int) -> list[Image8]:
    """These augmentations of a model input; the same seed gives the same pictures."""
    grey = infrared(image, np.random.default_rng(seed)) if any(name.startswith("infrared") for name in names) else image
    lit = [grey if name.startswith("infrared") else image for name in names]
    return [mirrored(one) if name.endswith("mirror") else one for name, one in zip(names, lit, strict=True)]


def mirrored(image: Image8) -> Image8:
    """The image with left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def infrared(image: Image8, chance: np.random.Generator) -> Image8:
    """The image as with an infrared flash: grey, darker, with less contrast, blurred and noisy.

    The strength is random: gain 0.25 to 1, contrast 0.5 to 1, reduced to a side of 60 to 224 pixels and enlarged again,
    noise of 0 to 6 grey levels, less light towards the corners.
    """
    height, width = image.shape[:2]
    grey = Image.fromarray((image @ LUMA).astype(np.uint8))
    side = int(chance.integers(60, 225))
    soft = grey.resize((side, side), Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(chance.uniform(0, 0.7)))
    light = np.asarray(soft.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    flat = light.mean() + (light - light.mean()) * chance.uniform(0.5, 1.0)
    lit = flat * chance.uniform(0.25, 1.0) * _fall_off(height, width, chance.uniform(0.0, 0.5))
    noisy = lit + chance.normal(0, chance.uniform(0, 6), size=lit.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _fall_off(height: int, width: int, strength: float) -> NDArray[np.float32]:
    """Factors (height, width): 1 at the centre, 1 - strength in the corners."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall: NDArray[np.float32] = (1 - strength * (rows**2 + columns**2) / 2).astype(np.float32)
    return fall
