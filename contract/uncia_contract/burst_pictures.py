"""A burst's JPEGs, decoded on all cores, and no more often than memory asks for.

Decides when a decoded picture is kept: pictures decoded for their thumbnails are kept, those to be scored first before
others, in the memory that finding regions leaves of `SHARED_BYTES`. A kept picture serves the model only when decoding
anew would use the same DCT scale, so that what the model sees is always `model_input` of the file's bytes, to the byte.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from uncia_contract.decisions import scoring_order
from uncia_contract.errors import FrameError
from uncia_contract.jpeg import dct_scale, open_jpeg, oriented_size
from uncia_contract.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.regions import Region, RegionRule, thumbnail

ReadPicture = Callable[[], bytes]

SHARED_BYTES = 20 * 1024 * 1024
_FINDING_BYTES = 16  # that `regions` needs at most for a pixel of a thumbnail: four times float32


class BurstPictures:
    """Gives thumbnails, then model inputs. A context manager: it ends its threads."""

    def __init__(self, readers: Sequence[ReadPicture], rule: RegionRule, workers: int | None = None) -> None:
        """Opens nothing yet.

        Args:
            readers: each gives a JPEG's bytes when called, at most twice.
            rule: how large thumbnails are.
            workers: threads that decode; as many as there are cores, at most four, where None.
        """
        self._readers, self._rule = readers, rule
        self.workers = workers or min(4, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(self.workers)
        self._rank = {index: rank for rank, index in enumerate(scoring_order(len(readers)))}
        self._held: dict[int, tuple[NDArray[np.uint8], int]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> "BurstPictures":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def thumbnails(self) -> tuple[dict[int, NDArray[np.uint8]], dict[int, str]]:
        """Grey thumbnails and the reasons of failures, both by index."""
        found: dict[int, NDArray[np.uint8]] = {}
        failures: dict[int, str] = {}
        for index, looked in enumerate(self._pool.map(self._look, range(len(self._readers)))):
            if isinstance(looked, str):
                failures[index] = looked
            else:
                found[index] = looked
        return found, failures

    def ahead(self, index: int, size: tuple[int, int], region: Region | None) -> Future[NDArray[np.uint8]]:
        """`model_input` of that picture, begun on another thread."""
        return self._pool.submit(self._input, index, size, region or WHOLE)

    def _look(self, index: int) -> NDArray[np.uint8] | str:
        try:
            picture = self._readers[index]()
            size, enough = thumbnail_source(picture, self._rule)
            image = open_jpeg(picture, enough)
        except (FrameError, OSError) as error:
            return str(error)
        self._sizes[index] = size
        grey = thumbnail(image, self._rule)
        if (self._rank[index] + 1) * 3 * image.width * image.height <= self._room(grey.size):
            self._held[index] = np.asarray(image), dct_scale(size, enough)
        return grey

    def _room(self, thumbnail_pixels: int) -> int:
        """Bytes for kept pictures, when each of the burst's thumbnails has so many pixels."""
        return SHARED_BYTES - _FINDING_BYTES * thumbnail_pixels * len(self._readers)

    def _input(self, index: int, size: tuple[int, int], region: Region) -> NDArray[np.uint8]:
        whole, enough = self._sizes[index], enough_for(size, region)
        scale = dct_scale(whole, (min(whole[0], enough[0]), min(whole[1], enough[1])))
        image, held_scale = self._held.pop(index, (None, 0))
        if image is not None and held_scale == scale:
            return model_input(image, size, region)
        del image
        return model_input(self._readers[index](), size, region)


def thumbnail_source(picture: bytes, rule: RegionRule) -> tuple[tuple[int, int], tuple[int, int]]:
    """(width, height) of the oriented picture, and how much of it a thumbnail needs.

    Raises:
        FrameError: its header cannot be read.
    """
    width, height = oriented_size(picture)
    target = min(width, 2 * rule.thumbnail_width)
    return (width, height), (target, max(1, target * height // width))


def small(picture: bytes, rule: RegionRule) -> NDArray[np.uint8]:
    """The grey thumbnail of a JPEG that `regions` looks at.

    Raises:
        FrameError: the picture cannot be decoded.
    """
    return thumbnail(open_jpeg(picture, thumbnail_source(picture, rule)[1]), rule)
