"""Labelled pictures of a data set, for training, calibration and evaluation.

Decides which fields a picture has, which pictures form a sequence, and what a sequence shows. `datasets` reads them;
whether a picture's file exists and can be decoded is found out when it is opened.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.pictures.region import Region

NEVER_LEARNT = ("test", "tune")  # splits, in lower case; upper case counts as the same
SequenceKey = tuple[str, ...]


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and its label.

    Attributes:
        file: the data set's name of the picture, repeated in every output.
        path: the picture's file.
        label: what it shows, never empty.
        sequence: the data set's id of its sequence, or "".
        location: the data set's id of its place, or "".
        datetime: the time as the data set writes it, or "".
        source: the collection it came from, or "".
        split: as the data set writes it, or "". Rows of "test" and "tune" are never used to learn or to calibrate.
        box: the part of the picture with the animal; None where boxes were not requested or there is none.
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
        """Whether training and calibration must leave it out (split "test" or "tune")."""
        return self.split.lower() in NEVER_LEARNT


def sequences(pictures: Iterable[LabelledPicture]) -> list[list[LabelledPicture]]:
    """The pictures of each sequence, in the data set's order; a picture without one is a sequence of its own."""
    grouped: dict[SequenceKey, list[LabelledPicture]] = defaultdict(list)
    for picture in pictures:
        grouped[sequence_key(picture)].append(picture)
    return list(grouped.values())


def sequence_key(picture: LabelledPicture) -> SequenceKey:
    """The key that all pictures of one sequence share; a picture without a sequence has a key of its own.

    It holds source and location because a sequence's id is unique only within its location, and a location's id only
    within its source.
    """
    if not picture.sequence:
        return "file", picture.file
    return picture.source, picture.location, picture.sequence


def shows(burst: Iterable[LabelledPicture], labels: Collection[str]) -> bool:
    """Whether any frame of a sequence has one of these labels."""
    return any(picture.label in labels for picture in burst)
