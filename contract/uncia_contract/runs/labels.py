"""Labelled pictures, as training, calibration and evaluation take them from a data set.

Decides what is known of one, which of them form a sequence, and what a sequence shows. Where they are read from is
`datasets`' business; whether a picture is there and can be decoded is left to whoever opens it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.pictures.region import Region

NEVER_LEARNT = ("test", "tune")  # splits, however they are capitalised
SequenceKey = tuple[str, ...]


@dataclass(frozen=True)
class LabelledPicture:
    """Which picture shows what.

    Attributes:
        file: as the data set calls it, to be repeated in every output.
        path: where the picture is.
        label: what it shows, never empty.
        sequence: the data set's id of its burst, or "".
        location: the data set's id of its place, or "".
        datetime: the time as written, or "".
        source: the collection it came from, or "".
        split: as written (rows of "test" and "tune" are never learnt from or calibrated with), or "".
        box: where on it the animal is, where boxes were asked for and one is given.
    """

    file: str
    path: Path
    label: str
    sequence: str = ""
    location: str = ""
    datetime: str = ""
    source: str = ""
    split: str = ""
    box: Region | None = None

    @property
    def never_learnt(self) -> bool:
        """Whether neither training nor calibration may see it: rows to test with, and rows to tune rules on."""
        return self.split.lower() in NEVER_LEARNT


def sequences(pictures: Iterable[LabelledPicture]) -> list[list[LabelledPicture]]:
    """The pictures of each sequence, in the data set's order; a picture without one is a sequence of its own."""
    grouped: dict[SequenceKey, list[LabelledPicture]] = defaultdict(list)
    for picture in pictures:
        grouped[sequence_key(picture)].append(picture)
    return list(grouped.values())


def sequence_key(picture: LabelledPicture) -> SequenceKey:
    """What pictures of one sequence have in common; a picture without a sequence has its own.

    The ids of sequences are unique only within a location, and those of locations only within a source.
    """
    if not picture.sequence:
        return "file", picture.file
    return picture.source, picture.location, picture.sequence


def shows(burst: Iterable[LabelledPicture], labels: Collection[str]) -> bool:
    """Whether a sequence shows one of these labels: any of its frames does."""
    return any(picture.label in labels for picture in burst)
