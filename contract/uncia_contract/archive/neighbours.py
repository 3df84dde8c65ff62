"""Backgrounds for an archive: what a camera sees without an animal, from the sequences before and after.

Decides which pictures a background is made of.
#1 Only sequences of one or two pictures get a background; in longer ones the frames are compared with each other.
#2 Neighbours are the camera's other sequences, the nearest first, one before and one after in turn; each gives its
middle picture. So a background depends on the list of files alone, not on what was scored before.
#3 The background is the median of the first nine that have the picture's light and size; with fewer than five there is
none.
#4 A neighbour that cannot be decoded is skipped.
#5 The key of a sequence with neighbours depends on the neighbours' keys too.
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

RULE = "neighbours/1"  # part of the keys; change it whenever the way a background is made changes
FEW = 2  # the most pictures of a sequence that gets a background
KEPT = 9  # pictures of a median; an animal in four of them does not show in it
KNOWN = 5
ASKED = 24  # the most neighbours that are read to find enough of the same light
CACHED = 128  # thumbnails of 49 kB each; consecutive sequences need mostly the same ones
Item = TypeVar("Item")
Name = TypeVar("Name", bound=Hashable)


def nearest(items: Sequence[Item], index: int) -> list[Item]:
    """The items around one of them, the nearest first, at equal distance the earlier first; at most `ASKED`."""
    return list(islice(_outwards(items, index), ASKED))


def _outwards(items: Sequence[Item], index: int) -> Iterator[Item]:
    for distance in range(1, len(items)):
        for place in (index - distance, index + distance):
            if 0 <= place < len(items):
                yield items[place]


def middle(items: Sequence[Item]) -> Item:
    """The item in the middle; the earlier of two."""
    return items[(len(items) - 1) // 2]


def with_neighbours(sequences: Sequence[ArchiveSequence]) -> list[ArchiveSequence]:
    """One trap's sequences, given in order of time, with `neighbours` and `key` set (#1, #2, #5)."""
    return [_with_neighbours(sequences, index) for index in range(len(sequences))]


def _with_neighbours(sequences: Sequence[ArchiveSequence], index: int) -> ArchiveSequence:
    one, near = sequences[index], nearest(sequences, index)
    if len(one.names) > FEW or len(near) < KNOWN:
        return one
    content = " ".join([RULE, one.key, *(neighbour.key for neighbour in near)])
    names = tuple(middle(neighbour.names) for neighbour in near)
    return replace(one, key=hashlib.sha256(content.encode()).hexdigest()[:32], neighbours=names)


class NeighbourThumbnails(Generic[Name]):
    """A cache of the `CACHED` thumbnails used last, by name. Safe to use from several threads."""

    def __init__(self, read: Callable[[Name], bytes], rule: RegionRule) -> None:
        """`read` returns a picture's bytes or raises FrameError; `rule` gives the size of thumbnails."""
        self._read, self._rule = read, rule
        self._small = lru_cache(CACHED)(self._look)

    def _look(self, name: Name) -> tuple[NDArray[np.uint8], Light] | None:
        try:
            grey, colour = small_pictures(self._read(name), self._rule)
        except FrameError:
            return None
        return grey, light_of(colour)

    def median_of(self, names: Sequence[Name], shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """The background: the median of the first pictures of that light and shape (#3); None where too few have both.

        Args:
            names: pictures, the nearest first.
            shape: (height, width) of the thumbnail.
            light: the light of the sequence.
        """
        small = filter(None, map(self._small, names))
        alike = list(islice((grey for grey, own in small if own == light and grey.shape == shape), KEPT))
        return median_view(alike[::-1]) if len(alike) >= KNOWN else None


class NeighbourView(Generic[Name]):
    """One sequence's background, computed when `seen` is called."""

    def __init__(self, thumbnails: NeighbourThumbnails[Name], names: Sequence[Name]) -> None:
        self._thumbnails, self._names = thumbnails, names

    def seen(self, shape: tuple[int, ...], light: Light) -> NDArray[np.uint8] | None:
        """The view without an animal in that light: uint8 of that shape; None where it is not known."""
        return self._thumbnails.median_of(self._names, shape, light)
