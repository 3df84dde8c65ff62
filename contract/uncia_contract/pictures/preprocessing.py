"""Makes the model's input from a picture. Training, calibration and trap all call this code (DESIGN 2).

The input is oriented, RGB, cropped to a region, resized to the model's size with Pillow's BILINEAR, uint8. Everything
else (scale, offset, mean) is inside the model's graph. A golden test guards the bytes.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.pictures.jpeg import DecodedJpeg, Picture, open_jpeg, open_region, pixel_box
from uncia_contract.pictures.region import Region

# After the decoder has halved a picture (DCT scaling), it has at least `OVERSAMPLING` pixels for a pixel of the input.
# Inputs of more than 224 pixels get fewer, so that the scale which is enough for 224 is enough for them, too: an eighth
# of 12 megapixels for 260 pixels (docs/decisions/0009, 0022).
# `RULE` changes whenever the golden bytes do; it is part of the key of stored features and scores.
OVERSAMPLING, LEAST_OVERSAMPLING = 1.5, 1.25
ENOUGH_PIXELS = 336  # 1.5 times 224
RULE = f"bilinear {OVERSAMPLING:g}"

WHOLE = Region(left=0.0, top=0.0, width=1.0, height=1.0)


def enough_for(size: tuple[int, int], region: Region) -> tuple[int, int]:
    """The (width, height) of the whole picture at which the region has pixels enough for an input of `size`."""
    return math.ceil(_enough(size[0]) / region.width), math.ceil(_enough(size[1]) / region.height)


def _enough(side: int) -> float:
    return max(LEAST_OVERSAMPLING * side, min(OVERSAMPLING * side, ENOUGH_PIXELS))


def model_input(
    picture: Picture | NDArray[np.uint8] | Image.Image, size: tuple[int, int], region: Region | None = None
) -> NDArray[np.uint8]:
    """The model's input: uint8 (height, width, 3), RGB, 0 to 255.

    Args:
        picture: a JPEG (bytes or a stream), a uint8 (height, width, 3) RGB array, or an oriented RGB image.
        size: (width, height) of the model's input in pixels.
        region: the part to use; None for the whole frame.

    Raises:
        FrameError: the JPEG cannot be decoded.
    """
    region = region or WHOLE
    if isinstance(picture, np.ndarray | Image.Image):
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        cropped = image if region == WHOLE else image.crop(pixel_box(region, image.size))
    elif region == WHOLE:
        cropped = open_jpeg(picture, enough_for(size, region))
    else:
        cropped = open_region(picture, enough_for(size, region), region)
    return np.asarray(cropped.resize(size, Image.Resampling.BILINEAR))


def decoded_input(decoded: DecodedJpeg, size: tuple[int, int], region: Region) -> NDArray[np.uint8] | None:
    """`model_input` of a decoded picture; None if decoding for this input would use another DCT scale."""
    return model_input(decoded.image, size, region) if decoded.serves(enough_for(size, region)) else None
