"""Chooses the calibration pictures, from which the ranges of an integer model are taken.

The ranges fit only the kinds of pictures that are chosen, so all kinds are needed: day and infrared, blank and with
each animal. The choice is the same for the same files; splits `test` and `tune` are left out.

1. A stratum is a light (day, infrared) with a label. Each stratum gives the same number of pictures, as long as it has
   some left.
2. Within a label, pictures are taken from the sources in turn, and within a source from its sequences in turn. So one
   long burst or one large collection does not displace the others.
3. Regions of bursts are added, at most a quarter as many: in bursts, regions are scored, and they differ from whole
   frames.
4. Pictures are ordered by a hash of the file's name; neither the CSV's order nor a seed matters.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.regions import RegionRule, regions
from uncia_contract.errors import DataError, FrameError
from uncia_contract.pictures.light import light_of
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import BurstDecoder

PICTURES = 200
# Pictures read for each label before strata are filled (or `count` if that is more): enough to find the rarer light.
CANDIDATES = 200
ONE_REGION_IN = 4
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A readable picture: its model input and stratum."""

    picture: LabelledPicture
    pixels: NDArray[np.uint8]
    stratum: str


@dataclass(frozen=True, eq=False)
class Calibration:
    """The chosen pictures.

    Attributes:
        candidates: the pictures, in a fixed order.
        failures: the files that could not be used, each with the reason.
    """

    candidates: tuple[Candidate, ...]
    failures: tuple[tuple[str, str], ...]

    def pixels(self) -> Iterator[NDArray[np.uint8]]:
        """The model inputs, uint8 (1, height, width, 3) each."""
        return (candidate.pixels[np.newaxis] for candidate in self.candidates)

    def strata(self) -> dict[str, int]:
        """The number of pictures of each stratum, by its name."""
        return dict(sorted(Counter(candidate.stratum for candidate in self.candidates).items()))

    def summary(self) -> dict[str, object]:
        """The number of pictures, the strata, and a sha256 of all model inputs in order."""
        shown = hashlib.sha256()
        for pixels in self.pixels():
            shown.update(pixels.tobytes())
        return {
            "files": len(self.candidates),
            "fingerprint": shown.hexdigest(),
            "strata": self.strata(),
        }


def choose(pictures: Iterable[LabelledPicture], size: tuple[int, int], count: int = PICTURES) -> Calibration:
    """At most `count` whole pictures, stratified by light and label, and at most a quarter as many regions.

    Args:
        pictures: the pictures of a data set; those of splits `test` and `tune` are not used.
        size: (width, height) of the model's input.
        count: the most whole pictures to choose.

    Raises:
        DataError: all pictures are of splits `test` or `tune`, or none can be read.
    """
    usable = [picture for picture in pictures if not picture.never_learnt]
    if not usable:
        raise DataError("no calibration pictures: every row has split `test` or `tune`; expected some of another split")
    failures: list[tuple[str, str]] = []
    strata = _strata(_shortlist(usable, max(CANDIDATES, count)), size, failures)
    if not strata:
        raise DataError(f"none of {len(usable)} calibration pictures can be read; the first: {': '.join(failures[0])}")
    chosen = list(_turns([strata[name] for name in sorted(strata)]))[:count]
    parts = islice(_regions(usable, size), count // ONE_REGION_IN)
    return Calibration((*chosen, *parts), tuple(failures))


def _regions(pictures: Sequence[LabelledPicture], size: tuple[int, int]) -> Iterator[Candidate]:
    """The regions of bursts (#3): the parts of frames where something changed."""
    rule = RegionRule()
    for burst in sequences(pictures):
        if len(burst) < 2:
            continue
        with BurstDecoder([partial(read_as_jpeg, picture.path) for picture in burst], rule, size, workers=1) as decoded:
            thumbnails = decoded.thumbnails().grey
            choices = regions(list(thumbnails.values()), rule) if thumbnails else []
            for index, choice in zip(thumbnails, choices, strict=True):
                if choice.region is not None:
                    pixels = decoded.model_input(index, choice.region)
                    yield _candidate(burst[index], pixels)


def _shortlist(pictures: Iterable[LabelledPicture], count: int) -> Iterator[LabelledPicture]:
    labels = _grouped(sorted(pictures, key=_shuffled), lambda picture: picture.label)
    for label in sorted(labels):
        sources = _grouped(labels[label], lambda picture: picture.source).values()
        yield from islice(_turns([list(_sequence_turns(source)) for source in sources]), count)


def _sequence_turns(pictures: Iterable[LabelledPicture]) -> Iterator[LabelledPicture]:
    return _turns(sequences(pictures))


def _grouped(
    pictures: Iterable[LabelledPicture], key: Callable[[LabelledPicture], str]
) -> dict[str, list[LabelledPicture]]:
    groups: dict[str, list[LabelledPicture]] = defaultdict(list)
    for picture in pictures:
        groups[key(picture)].append(picture)
    return groups


def _shuffled(picture: LabelledPicture) -> bytes:
    return hashlib.sha256(picture.file.encode()).digest()


def _turns(groups: Sequence[Sequence[T]]) -> Iterator[T]:
    for turn in zip_longest(*groups):
        yield from (item for item in turn if item is not None)


def _strata(
    pictures: Iterable[LabelledPicture], size: tuple[int, int], failures: list[tuple[str, str]]
) -> dict[str, list[Candidate]]:
    strata: dict[str, list[Candidate]] = defaultdict(list)
    for picture in pictures:
        try:
            pixels = model_input(read_as_jpeg(picture.path), size)
        except FrameError as error:
            failures.append((picture.file, str(error)))
            continue
        candidate = _candidate(picture, pixels)
        strata[candidate.stratum].append(candidate)
    return strata


def _candidate(picture: LabelledPicture, pixels: NDArray[np.uint8]) -> Candidate:
    return Candidate(picture, pixels, f"{light_of(pixels)}/{picture.label}")
