"""What a camera sees without an animal, from a sequence's neighbours in time: an archive knows both sides.

Decides which pictures a background is made of. #1 Only sequences of one or two pictures are given one: longer ones
compare their own. #2 Neighbours are the camera's other sequences, the nearest first, one before and one after in turn,
each by its middle picture; so a background depends on the listing alone, not on what was scored before. #3 It is the
median of the first nine that have the picture's light and size; with fewer than five there is none. #4 A neighbour that
cannot be decoded is passed over. #5 The key of a sequence with neighbours names them as well.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from uncia_contract.archive.visits import ArchiveSequence
from uncia_contract.bursts.backgrounds import median_view
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import FrameError
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.scoring.burst_decoder import small_pictures

RULE = "neighbours/1"  # part of a key: whatever changes a background changes it
FEW = 2  # pictures of a sequence that is given a background
KEPT = 9  # an animal in four of them is voted out
KNOWN = 5
ASKED = 24  # neighbours that are looked at until enough have the light
CACHED = 128  # thumbnails, of 49 kB each; sequences that follow each other ask for the same ones
Item = TypeVar("Item")
Name = TypeVar("Name", bound=Hashable)


def nearest(items: Sequence[Item], index: int) -> list[Item]:
    """The items about one of them, the nearest first, the earlier of two as near before the later; at most `ASKED`."""
    return list(islice(_outwards(items, index), ASKED))


def _outwards(items: Sequence[Item], index: int) -> Iterator[Item]:
    for distance in range(1, len(items)):
        for place in (index - distance, index + distance):
            if 0 <= place < len(items):
                yield items[place]


def middle(items: Sequence[Item]) -> Item:
    """The item in the middle, the earlier of two."""
    return items[(len(items) - 1) // 2]


def with_neighbours(sequences: Sequence[ArchiveSequence]) -> list[ArchiveSequence]:
    """One trap's sequences, in order of time, with the pictures that their backgrounds are made of."""
    return [_with_neighbours(sequences, index) for index in range(len(sequences))]


def _with_neighbours(sequences: Sequence[ArchiveSequence], index: int) -> ArchiveSequence:
    one, near = sequences[index], nearest(sequences, index)
    if len(one.names) > FEW or len(near) < KNOWN:
        return one
    content = " ".join([RULE, one.key, *(neighbour.key for neighbour in near)])
    names = tuple(middle(neighbour.names) for neighbour in near)
    return replace(one, key=hashlib.sha256(content.encode()).hexdigest()[:32], neighbours=names)


class NeighbourThumbnails(Generic[Name]):
    """Small pictures by name, of which the last ones asked for are kept. Safe to use from several threads."""

    def __init__(self, read: Callable[[Name], bytes], rule: RegionRule) -> None:
        """`read` gives a picture's bytes, or raises FrameError; `rule` says how large thumbnails are."""
        self._read, self._rule = read, rule
        self._small = lru_cache(CACHED)(self._look)

    def _look(self, name: Name) -> tuple[NDArray[np.uint8], Light] | None:
        try:
            grey, colour = small_pictures(self._read(name), self._rule)
        except FrameError:
            return None
        return grey, light_of(colour)

    def median_of(self, names: Sequence[Name], shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """The background of that light and shape, from the first pictures that have both; None where too few do."""
        small = filter(None, map(self._small, names))
        alike = list(islice((grey for grey, own in small if own == light and grey.shape == shape), KEPT))
        return median_view(alike[::-1]) if len(alike) >= KNOWN else None


class NeighbourView(Generic[Name]):
    """One sequence's background, made when it is asked for."""

    def __init__(self, thumbnails: NeighbourThumbnails[Name], names: Sequence[Name]) -> None:
        self._thumbnails, self._names = thumbnails, names

    def seen(self, shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """What the camera sees in that light when nothing is there: uint8 of that shape; None while unknown."""
        return self._thumbnails.median_of(self._names, shape, light)
