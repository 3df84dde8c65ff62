"""One pass over the pictures of a burst: their hashes, regions and model inputs.

A picture is decoded once if one DCT scale is enough for its thumbnail and all inputs. A region that needs a finer scale
is decoded separately, so that inputs are always byte for byte `model_input` of the file. Files and decoded pictures are
kept until the burst's regions are known, up to `KEPT_BYTES`; beyond that a file is read again.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import DecodedJpeg, Size, decode_jpeg
from uncia_contract.pictures.preprocessing import WHOLE, decoded_input, enough_for, model_input
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.burst_decoder import Thumbnails, enough_for_thumbnail, thumbnails_of
from uncia_contract.scoring.score_burst import ExpectedView
from uncia_training.datasets.region_crops import burst_regions

Image8 = NDArray[np.uint8]
KEPT_BYTES = 128 * 1024 * 1024
LOOKED_AT = (224, 224)  # (width, height) of the picture from which copies and light are recognised
Wanted = Callable[[int, bytes, Region | None], Collection[Size]]


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a picture (None: the whole), its model inputs by (width, height), and its use: training, scoring."""

    region: Region | None
    inputs: dict[Size, Image8]
    learnt: bool = True
    scored: bool = True


@dataclass(frozen=True, eq=False)
class Look:
    """The result for one picture: the sha256 of its bytes, the whole frame in the size `LOOKED_AT`, and its parts."""

    content: bytes
    image: Image8
    parts: tuple[Part, ...]


def look_at(
    readers: Sequence[Callable[[], bytes]],
    boxes: Sequence[Region | None],
    rule: RegionRule | None,
    wanted: Wanted,
    view: ExpectedView | None = None,
) -> Iterator[Look | str]:
    """For each picture in order, its `Look`, or a text that says why it cannot be used.

    Args:
        readers: each returns a JPEG.
        boxes: the animals' boxes, None for a picture without one.
        rule: the region rule; None for whole pictures only.
        wanted: called with a picture's index, sha256 and region; returns the sizes of the model inputs to make.
        view: the place's view without an animal, for scoring; None if there is none.
    """
    seeking = rule if rule is not None and (len(readers) > 1 or boxes[0] or view) else None
    opened: list[_Opened | str] = []
    room = KEPT_BYTES if seeking else 0
    for index, read in enumerate(readers):
        try:
            one = _Opened(read, seeking)
            one.whole = {size: one.input(size, None) for size in wanted(index, one.content, None)}
        except (FrameError, OSError) as error:
            opened.append(str(error))
            continue
        room -= one.keep(room)
        opened.append(one)
    small = Thumbnails()
    for index, seen in enumerate(opened):
        if seeking and not isinstance(seen, str):
            small.grey[index], small.colour[index] = seen.small
    found = burst_regions(small, boxes, seeking, view) if seeking else {}
    for index, seen in enumerate(opened):
        opened[index] = ""
        yield seen if isinstance(seen, str) else _look(seen, index, found.get(index, (None, None)), wanted)


def _look(one: "_Opened", index: int, regions: tuple[Region | None, Region | None], wanted: Wanted) -> Look | str:
    learnt, scored = regions
    parts = [Part(None, one.whole, scored=scored is None)]
    try:
        for region in dict.fromkeys(region for region in regions if region is not None):
            inputs = {size: one.input(size, region) for size in wanted(index, one.content, region)}
            parts.append(Part(region, inputs, region == learnt, region == scored))
    except (FrameError, OSError) as error:
        return str(error)
    return Look(one.content, one.image, tuple(parts))


class _Opened:
    """A picture that was read and decoded at a scale that is enough for its thumbnail and the whole frame."""

    def __init__(self, read: Callable[[], bytes], rule: RegionRule | None) -> None:
        data = read()
        decoded = decode_jpeg(data, enough_for_thumbnail(rule) if rule else enough_for(LOOKED_AT, WHOLE))
        self.content = hashlib.sha256(data).digest()
        self.image = model_input(decoded.image, LOOKED_AT)
        self.small = thumbnails_of(decoded.image, rule) if rule else (self.image[:0, :0, 0], self.image[:0, :0])
        self.whole: dict[Size, Image8] = {}
        self._read, self._data = read, data
        self._decoded: DecodedJpeg | None = decoded

    def input(self, size: Size, region: Region | None) -> Image8:
        """The model's input (`model_input`) of a part of the picture."""
        if self._decoded is not None:
            ready = decoded_input(self._decoded, size, region or WHOLE)
            if ready is not None:
                return ready
        return model_input(self._data or self._read(), size, region)

    def keep(self, room: int) -> int:
        """Drop the file and pixels if they need more than `room` bytes; return the number of bytes kept."""
        pixels = self._decoded.image.size if self._decoded else (0, 0)
        held = len(self._data) + 4 * pixels[0] * pixels[1]
        if held <= room:
            return held
        self._data, self._decoded = b"", None
        return 0
