"""Splits: which pictures form a unit that is kept in one fold, and how many folds are possible.

The units:
#1 By `location`: all pictures of one place. #2 Without locations, or by `sequence`: whole sequences. #3 Without
sequences: near-duplicates. #4 By `random`: each picture is a unit, to show the effect of leakage. #5 Units with a
picture of the same bytes are joined into one, and a warning names both files. #6 By `source`: a source without
positives is one unit, so that a fit never scores a source from which it has learnt negatives; pictures of a source with
positives are split by location. #7 Copies in other sequences or places (saved again, mirrored, cut) do not join units,
because empty frames of one camera look alike. A warning gives their number and names two.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture, SequenceKey, sequence_key

Split = Literal["location", "source", "sequence", "random"]
FOLDS = 4
NOTHING_TO_LEARN = (
    "every picture has split `test` or `tune`, which are not used for training; add pictures of another split"
)


def split_units(
    pictures: Sequence[LabelledPicture],
    duplicates: Sequence[int],
    contents: Sequence[str],
    split: Split,
    positive: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """The name of each picture's unit, and warnings.

    Args:
        pictures: the readable pictures.
        duplicates: the number of each picture's group of near-duplicates.
        contents: the sha256 of each file.
        split: what is kept together.
        positive: the positive labels, for `source`.
    """
    if split == "random":
        return [f"picture {number}" for number in range(len(pictures))], []
    mixed = {picture.source for picture in pictures if split != "source" or picture.label in positive}
    names = [
        _unit(picture, number, split) if picture.source in mixed else f"source {picture.source}"  # 6
        for picture, number in zip(pictures, duplicates, strict=True)
    ]
    names, copies = _joined(names, contents)  # 5
    return names, _copies_elsewhere(names, pictures, duplicates) + [
        f"{pictures[index].file}: the same bytes as {pictures[first].file}; both are kept on one side of every split; "
        "delete one of them"
        for first, index in copies
    ]


def _unit(picture: LabelledPicture, duplicate: int, split: Split) -> str:
    if picture.location and split != "sequence":  # 1
        return f"place {picture.source} {picture.location}"
    if picture.sequence:  # 2
        place = f"{picture.location} " if picture.location else ""
        return f"sequence {picture.source} {place}{picture.sequence}"
    return f"duplicates {duplicate}"  # 3


def _copies_elsewhere(names: list[str], pictures: Sequence[LabelledPicture], duplicates: Sequence[int]) -> list[str]:
    """A warning if copies are in several units (#7)."""
    first = {group: index for index, group in reversed(list(enumerate(duplicates)))}
    copies = [index for index, group in enumerate(duplicates) if names[index] != names[first[group]]]
    if not copies:
        return []
    one, other = pictures[first[duplicates[copies[0]]]].file, pictures[copies[0]].file
    return [
        f"{len(copies)} pictures resemble one of another sequence or place, such as {other} and {one}: "
        "if one is a copy, delete it, or the figures are too good"
    ]


def _joined(names: list[str], keys: Sequence[Hashable]) -> tuple[list[str], list[tuple[int, int]]]:
    """The names, with units joined that share a key, and the pairs of pictures that joined them."""
    first: dict[Hashable, int] = {}
    joins = []
    for index, key in enumerate(keys):
        earlier = first.setdefault(key, index)
        if names[earlier] != names[index]:
            old, new = names[index], names[earlier]
            names = [new if name == old else name for name in names]
            joins.append((earlier, index))
    return names, joins


def check_classes(pictures: Sequence[LabelledPicture], positive: Sequence[str], unreadable: int = 0) -> None:
    """Check that every class can be learnt and held out.

    Args:
        pictures: the readable pictures.
        positive: the positive labels.
        unreadable: the number of unreadable pictures, for the message.

    Raises:
        DataError: a class has no pictures or fewer than two sequences, or all pictures are of split test or tune.
    """
    train = [picture for picture in pictures if not picture.never_learnt]
    if not train:
        raise DataError(NOTHING_TO_LEARN)
    seen: dict[str, dict[SequenceKey, str]] = defaultdict(dict)
    labels = Counter(picture.label for picture in train)
    for picture in train:
        own = seen[picture.label if picture.label in positive else "other"]
        own.setdefault(sequence_key(picture), picture.file)
    for name in (*positive, "other"):
        if not seen[name]:
            told = f" ({unreadable} pictures cannot be read)" if unreadable else ""
            raise DataError(f"no training picture shows {name!r}; the labels are {', '.join(sorted(labels))}{told}")
        if len(seen[name]) < 2:
            raise DataError(
                f"{name!r} has 1 sequence, that of {next(iter(seen[name].values()))}; at least 2 are needed, one for "
                "training and one for testing; add pictures or leave the class out"
            )


def check_units(
    labels: NDArray[np.intp], units: Sequence[str], files: Sequence[str], names: Sequence[str], split: Split
) -> int:
    """The number of folds, at most `FOLDS`: each fold must have units of every class.

    Args:
        labels: the class numbers of the training pictures.
        units: their units.
        files: their files, for the message.
        names: the names of the classes.
        split: what is kept together.

    Raises:
        DataError: all pictures of a class are one unit, so one side of the split would lack the class.
    """
    most = FOLDS
    for number, name in enumerate(names):
        own = {unit: file for unit, file, label in zip(units, files, labels, strict=True) if label == number}
        if len(own) < 2:
            unit, file = next(iter(own.items()), ("none", "none"))
            remedy = (
                "--split sequence keeps sequences whole instead" if split in ("location", "source") else "add pictures"
            )
            raise DataError(
                f"all pictures of {name!r} are one unit ({' '.join(unit.split())}, such as {file}): one side of the "
                f"split would be empty; {remedy}"
            )
        most = min(most, len(own))
    return most
