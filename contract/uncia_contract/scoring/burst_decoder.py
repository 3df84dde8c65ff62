"""Decodes a burst's JPEGs on several threads within a fixed amount of memory; most files are decoded only once.

Decides what is kept of a picture after its thumbnail is made, and how many pictures are decoded at the same time. The
decoded picture is kept, first of all for the frames that are scored first, while `SHARED_BYTES` has room beside the
memory for finding regions. Without room, the model's input of the whole frame is kept instead, because in most bursts
nothing moves. A kept picture is used only if decoding again would use the same DCT scale, so the model's input is
always byte for byte `model_input` of the file.
"""

import ctypes
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Condition
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.bursts.decisions import scoring_order
from uncia_contract.bursts.regions import RegionRule, thumbnail
from uncia_contract.errors import FrameError
from uncia_contract.pictures.damaged_scan import decode_checked
from uncia_contract.pictures.jpeg import DecodedJpeg, Picture, Size, decode_jpeg, open_jpeg
from uncia_contract.pictures.preprocessing import WHOLE, decoded_input, enough_for, model_input
from uncia_contract.pictures.region import Region

ReadPicture = Callable[[], Picture]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Room for ten decoded frames (2 MB each at 8 megapixels, 0.75 MB at 12 megapixels). Of thirty frames almost none is
# kept.
SHARED_BYTES = 42 * 1024 * 1024
_FINDING_BYTES = 28  # reserved for each pixel of a thumbnail; `regions` uses about 16
# Room to decode two files of 5 MB at the same time, each with its 12 megapixels at an eighth of the scale (0.75 MB).
DECODING_BYTES = 12 * 1024 * 1024
_DECODED_UNTIL_KNOWN = 2
PREFETCHED_FRAMES = 32  # model inputs that may wait for the model, 150 kB each
_BYTES_PER_PIXEL = 4  # Pillow stores an RGB pixel in four bytes
_COLOUR_SIZE = (64, 48)
_THUMBNAIL_OVERSAMPLING = 1.25  # so that upright pictures, too, need one scale for thumbnail and whole frame
# The usual input size of networks. A thumbnail is decoded at the scale that a whole frame of this size needs. Otherwise
# bursts of 2 and 8 megapixels in which nothing moves would be decoded twice (docs/decisions/0009).
_USUAL_INPUT = (224, 224)


@dataclass
class Thumbnails:
    """The thumbnails of a burst's readable frames, by index: grey uint8 (height, width), colour uint8 (48, 64, 3).

    `failures` says why other frames cannot be read; `damaged` says what is wrong with readable but damaged frames.
    """

    grey: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    colour: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)


class BurstDecoder:
    """Makes thumbnails and model inputs of a burst, in any order. A context manager; its threads stop at the end."""

    def __init__(
        self,
        readers: Sequence[ReadPicture],
        rule: RegionRule,
        size: Size,
        whole: Region | None = None,
        workers: int | None = None,
    ) -> None:
        """Prepare a decoder; no picture is opened yet.

        Args:
            readers: each returns a JPEG when called: bytes, or a stream, which the decoder closes.
            rule: gives the size of thumbnails.
            size: (width, height) of the model's input in pixels.
            whole: the part of a frame that is scored where there is no region; None for all of it.
            workers: threads that decode, including the caller's; None for one per core, at most four.
        """
        self._readers, self._rule, self._size, self._whole = readers, rule, size, whole or WHOLE
        self._thumbnail_enough = enough_for_thumbnail(rule)
        self._pool, self._gate = HelpingPool(workers or min(4, len(os.sched_getaffinity(0)))), MemoryGate()
        self._rank = {index: rank for rank, index in enumerate(scoring_order(len(readers)))}
        self._kept: dict[int, DecodedJpeg] = {}
        self._whole_inputs: dict[int, NDArray[np.uint8]] = {}
        self._prefetched: dict[tuple[int, Region], Future[NDArray[np.uint8]]] = {}
        self._damaged: dict[int, str] = {}
        self._is_memory_short = False

    def __enter__(self) -> "BurstDecoder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._pool.close()
        if self._is_memory_short:
            return_freed_memory()

    def thumbnails(self) -> Thumbnails:
        """All thumbnails of the burst; each file is read once."""
        found = Thumbnails(damaged=self._damaged)
        for index, seen in enumerate(self._pool.map(self._look, range(len(self._readers)))):
            if isinstance(seen, str):
                found.failures[index] = seen
            else:
                found.grey[index], found.colour[index] = seen
        self._is_memory_short = len(self._kept) < len(found.grey)
        if self._is_memory_short:
            return_freed_memory()
        return found

    def prefetch(self, indices: Iterable[int], regions: Mapping[int, Region | None]) -> None:
        """Start making the inputs of these regions on other threads, at most `PREFETCHED_FRAMES` of them.

        Prefetch only inputs that are certain to be used: after an early exit a frame need not be decoded.
        """
        for index in indices:
            key = (index, regions[index] or self._whole)
            if key not in self._prefetched and len(self._prefetched) < PREFETCHED_FRAMES:
                self._prefetched[key] = self._pool.submit(partial(self._input, *key))

    @property
    def is_prefetching(self) -> bool:
        """Whether other threads are still making inputs."""
        return not all(map(Future.done, self._prefetched.values()))

    def model_input(self, index: int, region: Region | None) -> NDArray[np.uint8]:
        """The model's input (`model_input`) of a region of that picture; None for the whole.

        Raises:
            FrameError: the picture cannot be decoded.
            OSError: it cannot be read.
        """
        key = (index, region or self._whole)
        prefetched = self._prefetched.pop(key, None)
        return self._input(*key) if prefetched is None else self._pool.result(prefetched)

    def _input(self, index: int, region: Region) -> NDArray[np.uint8]:
        whole_input, kept = self._whole_inputs.pop(index, None), self._kept.pop(index, None)
        if whole_input is not None and region == self._whole:
            return whole_input
        if kept is not None and (ready := decoded_input(kept, self._size, region)) is not None:
            return ready
        del kept
        with self._gate.turn(), self._picture(index) as picture:
            return model_input(picture, self._size, region)

    @contextmanager
    def _picture(self, index: int) -> Iterator[Picture]:
        picture = self._readers[index]()
        with nullcontext() if isinstance(picture, bytes) else picture:
            yield picture

    def _look(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | str:
        """A frame's thumbnails, grey and in colour; or, as a text, why there are none."""
        try:
            with self._gate.turn():
                decoded = self._decode(index)
                grey, colour = thumbnails_of(decoded.image, self._rule)
                self._keep(index, decoded, grey.size)
                return grey, colour
        except (FrameError, OSError) as error:
            return str(error)

    def _decode(self, index: int) -> DecodedJpeg:
        with self._picture(index) as picture:
            if isinstance(picture, bytes):
                (decoded, damage), read_bytes = decode_checked(picture, self._thumbnail_enough), len(picture)
            else:
                decoded, damage, read_bytes = decode_jpeg(picture, self._thumbnail_enough), "", 0
        if damage:
            self._damaged[index] = damage
        self._gate.record_size(read_bytes + _decoded_bytes(decoded))
        return decoded

    def _keep(self, index: int, decoded: DecodedJpeg, thumbnail_pixels: int) -> None:
        """Keep the picture if there is room for it and all that are scored before it; else the whole frame's input."""
        room = SHARED_BYTES - _FINDING_BYTES * thumbnail_pixels * len(self._readers)
        if (self._rank[index] + 1) * _decoded_bytes(decoded) <= room:
            self._kept[index] = decoded
        elif (ready := decoded_input(decoded, self._size, self._whole)) is not None:
            self._whole_inputs[index] = ready


class HelpingPool:
    """A thread pool whose caller runs queued tasks while it waits.

    So there are never more busy threads than workers, and a pool of one worker starts no thread. The calling thread is
    one of the workers; only one thread may ask for results.
    """

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers - 1) if workers > 1 else None
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def close(self) -> None:
        """Stop the threads; tasks that have not begun are dropped."""
        self._queue.clear()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Queue the work for the next free worker and return its future; tasks begin in the order of submission."""
        future: Future[Result] = Future()
        self._queue.append((future, work))
        if self._executor is not None:
            self._executor.submit(self._run_next)
        return future

    def result(self, future: Future[Result]) -> Result:
        """The task's result, or raise its exception; while it is not done, this thread runs queued tasks."""
        while not future.done() and self._run_next():
            pass
        return future.result()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results, in the items' order."""
        futures = [self.submit(partial(function, item)) for item in items]
        return (self.result(future) for future in futures)

    def _run_next(self) -> bool:
        """Run the first task of the queue; return False if the queue is empty."""
        try:
            future, work = self._queue.popleft()
        except IndexError:
            return False
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):  # Ctrl-C ends the thread that runs the task
                raise
        return True


class MemoryGate:
    """Limits how many pictures are decoded at the same time, so that all fit in `shared_bytes`.

    It assumes that each takes as much as the largest one so far. Safe to use from several threads.
    """

    def __init__(self, shared_bytes: int = DECODING_BYTES) -> None:
        self._shared_bytes, self._largest_bytes, self._decoding = shared_bytes, 0, 0
        self._changed = Condition()

    @property
    def most(self) -> int:
        """How many pictures may be decoded at the same time; at least one."""
        return max(1, self._shared_bytes // self._largest_bytes) if self._largest_bytes else _DECODED_UNTIL_KNOWN

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more picture may be decoded; the block decodes it."""
        with self._changed:
            self._changed.wait_for(lambda: self._decoding < self.most)
            self._decoding += 1
        try:
            yield
        finally:
            with self._changed:
                self._decoding -= 1
                self._changed.notify_all()

    def record_size(self, picture_bytes: int) -> None:
        """Record the memory of one picture in bytes: its pixels, plus its file if that is in memory."""
        with self._changed:
            self._largest_bytes = max(self._largest_bytes, picture_bytes)
            self._changed.notify_all()


def enough_for_thumbnail(rule: RegionRule) -> Size:
    """The (width, height) of an oriented picture that is enough for its thumbnail and the whole frame's input."""
    width, height = enough_for(_USUAL_INPUT, WHOLE)
    return max(width, math.ceil(_THUMBNAIL_OVERSAMPLING * rule.thumbnail_width)), height


def picture_thumbnail(picture: Picture, rule: RegionRule) -> NDArray[np.uint8]:
    """The grey thumbnail of a JPEG for `regions`: uint8 (height, width).

    Raises:
        FrameError: the picture cannot be decoded.
    """
    return thumbnail(open_jpeg(picture, enough_for_thumbnail(rule)), rule)


def small_pictures(picture: Picture, rule: RegionRule) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A JPEG's thumbnails: grey uint8 (height, width), and colour uint8 (48, 64, 3).

    Raises:
        FrameError: the picture cannot be decoded.
    """
    return thumbnails_of(open_jpeg(picture, enough_for_thumbnail(rule)), rule)


def thumbnails_of(image: Image.Image, rule: RegionRule) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The thumbnails of a decoded picture: grey uint8 (height, width), and colour uint8 (48, 64, 3)."""
    colour = image.resize(_COLOUR_SIZE, Image.Resampling.BOX, reducing_gap=2.0)
    return thumbnail(image, rule), np.asarray(colour)


def return_freed_memory() -> None:
    """Return freed heap memory to the operating system (malloc_trim); nothing happens where the C library has none.

    It takes half a millisecond. Measured on three bursts of thirty 12-megapixel JPEGs of 5 MB with four threads: the
    peak is 98 MB instead of 100.5 MB.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _decoded_bytes(decoded: DecodedJpeg) -> int:
    return _BYTES_PER_PIXEL * decoded.image.width * decoded.image.height
