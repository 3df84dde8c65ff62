"""A part of a JPEG: decoded without the memory of the whole, and no further down than the part reaches.

Decides how that is done; the pixels are those of `open_jpeg` cropped, to the byte. Pillow decodes into pages of ours:
between two blocks of the file the finished rows are copied out of them and the pages go back to the system. Where
Pillow or the picture do not lend themselves to it (grey, progressive), the whole is decoded as it is stored; but only
the part becomes RGB, which takes four times as much as grey, and is turned.

Measured with 12 megapixels at full scale, a region of 600 x 600 in the middle: 4 MB in place of 48, and a third less
processor time.
"""

import mmap
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging
from PIL.JpegImagePlugin import JpegImageFile

from uncia_contract.pictures.jpeg import (
    PILLOW_ERRORS,
    QUARTER_TURNS,
    Enough,
    Picture,
    Size,
    check_jpeg,
    enough_as_stored,
    stream_of,
    turn_of,
    undecodable,
    upright,
)

Box = tuple[int, int, int, int]

_BYTES_PER_PIXEL = 4  # Pillow keeps RGB in four, and writes 255 into the fourth
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def open_part(picture: Picture, enough: Enough, box_in: Callable[[Size], Box]) -> Image.Image:
    """The part of the oriented RGB picture, decoded at the scale of `open_jpeg` for `enough`.

    Args:
        picture: the JPEG.
        enough: (width, height) of the whole oriented picture that suffices, or what gives it.
        box_in: gives the part (left, top, right, bottom) for the (width, height) of the decoded picture.

    Raises:
        FrameError: the bytes are no picture that Pillow can decode as far as the part reaches.
    """
    check_jpeg(picture)
    try:
        with _Part(stream_of(picture)) as image:
            turn = turn_of(image)
            image.draft("RGB", enough_as_stored(enough, image.size, turn))
            box = _as_stored(box_in(image.size[::-1] if turn in QUARTER_TURNS else image.size), image.size, turn)
            return upright(image.part(box) if image.is_plain else image.crop(box), turn)
    except PILLOW_ERRORS as error:
        raise undecodable(error) from error


def _as_stored(box: Box, size: Size, turn: int) -> Box:
    """Where a box of the oriented picture lies in the stored one, of that (width, height)."""
    left, top, right, bottom = box
    if turn in QUARTER_TURNS:
        left, top, right, bottom = top, left, bottom, right
    if turn in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if turn in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


class _Complete(Exception):  # noqa: N818 - no error: it ends Pillow's reading
    """All rows of the part are there."""


class _Part(JpegImageFile):
    """A JPEG whose rows are copied out while it is being decoded, where a part is asked for."""

    _box: Box | None = None

    @property
    def is_plain(self) -> bool:
        """Whether its rows can come one after the other (RGB, not progressive), and into pages of ours."""
        plain = self.mode == "RGB" and "progressive" not in self.info and len(self.tile) == 1
        return plain and hasattr(_imaging, "map_buffer")

    def part(self, box: Box) -> Image.Image:
        """The pixels within (left, top, right, bottom) of the drafted picture."""
        self._box, self._row, self._freed = box, 0, 0
        self._out = Image.new("RGB", (box[2] - box[0], box[3] - box[1]))
        try:
            self.load()
            self._take_rows(box)
        except _Complete:
            pass
        return self._out

    def load_prepare(self) -> None:
        """Lets Pillow decode into pages of ours."""
        if self._box is None:
            super().load_prepare()
            return
        width, height = self.size
        self._pages = mmap.mmap(-1, width * height * _BYTES_PER_PIXEL, flags=_PRIVATE)
        self._pixels: NDArray[np.uint32] = np.frombuffer(self._pages, np.uint32).reshape(height, width)
        self.im = _imaging.map_buffer(self._pages, self.size, "raw", 0, ("RGB", 0, 1))

    def load_read(self, read_bytes: int) -> bytes:
        """The next bytes of the file; Pillow asks for them when it has decoded those before."""
        if self._box is not None and self._take_rows(self._box) >= self._box[3]:
            raise _Complete
        return super().load_read(read_bytes)

    def _take_rows(self, box: Box) -> int:
        """Copies the rows finished since the last time, and gives their pages back; how many are finished."""
        first = self._row
        left, top, right, bottom = box
        while self._row < bottom and self._pixels[self._row, 0]:
            self._row += 1
        begun = max(first, top)
        if self._row > begun:
            rows = self.im.crop((left, begun, right, self._row))
            self._out.im.paste(rows, (0, begun - top, right - left, self._row - top))
        done = self._row * self.size[0] * _BYTES_PER_PIXEL // mmap.PAGESIZE * mmap.PAGESIZE
        if done > self._freed:
            self._pages.madvise(mmap.MADV_DONTNEED, self._freed, done - self._freed)
            self._freed = done
        return self._row
