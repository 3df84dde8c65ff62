"""A burst's JPEGs, decoded on all cores, and no more often than memory asks for.

Decides what is kept of a picture decoded for its thumbnail: the picture, those to be scored first before others, in the
memory that finding regions leaves of `SHARED_BYTES`; else the model's input of the whole frame, for most bursts show
nothing that moves. Either serves only where decoding anew would use the same DCT scale, so that what the model sees is
always `model_input` of the file's bytes, to the byte.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.bursts.decisions import scoring_order
from uncia_contract.bursts.regions import RegionRule, thumbnail
from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import Picture, Size, dct_scale, open_jpeg
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.decoding_room import DecodingRoom
from uncia_contract.scoring.helping_pool import Crew
from uncia_contract.scoring.spare_memory import give_back

ReadPicture = Callable[[], Picture]

# Ten frames are decoded once (8 megapixels leave 2 MB each, 12 megapixels 0.75 MB); of thirty hardly one is kept.
SHARED_BYTES = 42 * 1024 * 1024
_BYTES_PER_PIXEL = 4  # Pillow keeps RGB in four
_LIGHT_SIZE = (64, 48)
_THUMBNAIL_OVERSAMPLING = 1.25  # so that one scale serves both of an upright picture, too
_UNSEEN = np.empty((0, 0), np.uint8)
# What most networks take. A frame is decoded for its thumbnail at the scale of the whole one seen so: else bursts of 2
# and 8 megapixels in which nothing moves would be decoded twice (docs/decisions/0009).
_USUAL_INPUT = (224, 224)
_FINDING_BYTES = 28  # set aside for a pixel of a thumbnail; `regions` takes about 16 of them


class BurstPictures:
    """Gives thumbnails, then model inputs. A context manager: it ends its threads."""

    def __init__(
        self,
        readers: Sequence[ReadPicture],
        rule: RegionRule,
        size: tuple[int, int],
        whole: Region | None = None,
        workers: int | None = None,
        with_lights: bool = False,
    ) -> None:
        """Opens nothing yet.

        Args:
            readers: each gives a JPEG when called, at most twice: bytes, or a stream, which is closed.
            rule: how large thumbnails are.
            size: (width, height) of the model's input in pixels.
            whole: what of a frame is scored where no region is found; None for all of it.
            workers: threads that decode, the caller's among them; as many as there are cores, at most four, where None.
            with_lights: whether to tell by which light each was taken, for a background of that light.
        """
        self._readers, self._rule, self._size, self._whole = readers, rule, size, whole or WHOLE
        self.crew, self._decoding = Crew(workers or min(4, len(os.sched_getaffinity(0)))), DecodingRoom()
        self._rank = {index: rank for rank, index in enumerate(scoring_order(len(readers)))}
        self._held: dict[int, tuple[Image.Image, int]] = {}
        self._inputs: dict[int, NDArray[np.uint8]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self.lights: dict[int, Light] = {}
        self._with_lights = with_lights
        self._compared = len(readers) > 1 or with_lights
        self._is_unknown = True  # what moves
        self.has_room = False  # for decoding while regions are sought: where all pictures could be kept

    def __enter__(self) -> "BurstPictures":
        return self

    def __exit__(self, *error: object) -> None:
        self.crew.close()
        if not self.has_room:
            give_back()

    def thumbnails(self) -> tuple[dict[int, NDArray[np.uint8]], dict[int, str]]:
        """Grey thumbnails, empty of a picture that is compared with nothing, and why others failed: both by index."""
        found: dict[int, NDArray[np.uint8]] = {}
        failures: dict[int, str] = {}
        for index, looked in enumerate(self.crew.each(self._look, range(len(self._readers)))):
            if isinstance(looked, str):
                failures[index] = looked
            else:
                found[index] = looked
                if self.crew.hands > 1 and self._compared:
                    self.crew.begin(partial(self._foresee, index))
        self.has_room = len(self._held) == len(found)
        if not self.has_room:
            give_back()
        return found, failures

    def _foresee(self, index: int) -> None:
        """Most bursts show nothing that moves: until that is known, a free hand makes the input of the whole."""
        image, scale = self._held.get(index, (None, 0))
        if self._is_unknown and image is not None and scale == self._scale(index, self._whole):
            self._inputs[index] = model_input(image, self._size, self._whole)

    def expect(self, index: int, region: Region | None) -> None:
        """Forgets what does not serve, when from now on this part of the picture is asked for."""
        self._is_unknown = False
        if region is not None:
            self._inputs.pop(index, None)
        if index in self._held and self._held[index][1] != self._scale(index, region or self._whole):
            del self._held[index]

    def has_kept(self, index: int) -> bool:
        """Whether what is expected of that picture asks for no decoding."""
        return index in self._held or index in self._inputs

    def input(self, index: int, region: Region | None) -> NDArray[np.uint8]:
        """`model_input` of that picture; of the whole where there is no region. From any thread."""
        region = region or self._whole
        ready = self._inputs.pop(index, None)
        image, scale = self._held.pop(index, (None, 0))
        if ready is not None and region == self._whole:
            return ready
        if image is not None and scale == self._scale(index, region):
            return model_input(image, self._size, region)
        del image
        with self._decoding.place(), self._picture(index) as picture:
            return model_input(picture, self._size, region)

    @contextmanager
    def _picture(self, index: int) -> Iterator[Picture]:
        picture = self._readers[index]()
        with nullcontext() if isinstance(picture, bytes) else picture:
            yield picture

    def _look(self, index: int) -> NDArray[np.uint8] | str:
        try:
            with self._decoding.place():
                return self._decode(index)
        except (FrameError, OSError) as error:
            return str(error)

    def _decode(self, index: int) -> NDArray[np.uint8]:
        """The thumbnail; keeps what there is room for."""
        with self._picture(index) as picture:
            image = open_jpeg(picture, partial(self._enough, index))
            read_bytes = len(picture) if isinstance(picture, bytes) else 0
        decoded_bytes = _BYTES_PER_PIXEL * image.width * image.height
        self._decoding.took(read_bytes + decoded_bytes)
        del picture
        size, grey = self._sizes[index], thumbnail(image, self._rule) if self._compared else _UNSEEN
        scale = dct_scale(size, enough_for_thumbnail(size, self._rule))
        if self._with_lights:
            self.lights[index] = light_of(np.asarray(image.resize(_LIGHT_SIZE, Image.Resampling.BOX, reducing_gap=2.0)))
        if (self._rank[index] + 1) * decoded_bytes <= self._room(grey.size):
            self._held[index] = image, scale
        elif scale == self._scale(index, self._whole):
            self._inputs[index] = model_input(image, self._size, self._whole)
        return grey

    def _enough(self, index: int, size: Size) -> Size:
        """Takes note of a picture's size, and tells how much of it is to be decoded."""
        self._sizes[index] = size
        return enough_for_thumbnail(size, self._rule)

    def _room(self, thumbnail_pixels: int) -> int:
        """Bytes for kept pictures, when each of the burst's thumbnails has so many pixels."""
        return SHARED_BYTES - _FINDING_BYTES * thumbnail_pixels * len(self._readers)

    def _scale(self, index: int, region: Region) -> int:
        """The DCT scale at which that region of the picture is decoded."""
        whole, enough = self._sizes[index], enough_for(self._size, region)
        return dct_scale(whole, (min(whole[0], enough[0]), min(whole[1], enough[1])))


def enough_for_thumbnail(size: Size, rule: RegionRule) -> Size:
    """(width, height) of an oriented picture of that size that a thumbnail needs, and the whole frame besides."""
    width, height = size
    wide, high = enough_for(_USUAL_INPUT, WHOLE)
    wide = min(width, max(wide, math.ceil(_THUMBNAIL_OVERSAMPLING * rule.thumbnail_width)))
    return wide, min(height, max(high, wide * height // width))


def small(picture: Picture, rule: RegionRule) -> NDArray[np.uint8]:
    """The grey thumbnail of a JPEG that `regions` looks at.

    Raises:
        FrameError: the picture cannot be decoded.
    """
    return thumbnail(open_jpeg(picture, partial(enough_for_thumbnail, rule=rule)), rule)
