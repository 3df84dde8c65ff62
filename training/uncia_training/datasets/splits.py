"""Who may sit on which side: units that are never torn, and folds of them.

Decides, for each picture, what must stay together:
#1 by location: all pictures of one place. #2 without locations (or by `sequence`): whole sequences. #3 without
sequences: near-duplicates. #4 `random`: every picture alone, to show what leakage would have claimed. #5 Units that
share a picture byte for byte are one unit, and a warning names both files. #6 by source: a source
without positives is one unit, so that its cameras, scenes and squashing are new to the fit that scores it; pictures of
a source that has both classes go by location. #7 Copies in other
sequences or places (saved again, mirrored, cut) do not join them: one camera's empty frames resemble each other. A
warning tells how many there are and names two.
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
    "every picture has split `test` or `tune`, and such pictures are never learnt from; add pictures of another split"
)


def split_units(
    pictures: Sequence[LabelledPicture],
    duplicates: Sequence[int],
    contents: Sequence[str],
    split: Split,
    positive: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """A unit's name for each picture, and warnings.

    Args:
        pictures: those that can be read.
        duplicates: number of the group of near-duplicates of each.
        contents: sha256 of each file.
        split: what is kept together.
        positive: the labels that are looked for; `source` needs them.
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
    """A warning where copies lie in several units (#7)."""
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
    """The names, made one where two units hold the same key; and which picture joined which."""
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
    """Nothing, if every class can be learnt and held out; `unreadable` pictures are not among these.

    Raises:
        DataError: a class without pictures, or with fewer than two sequences; everything or nothing is test.
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
                f"{name!r} has 1 sequence, that of {next(iter(seen[name].values()))}; at least 2 are needed, one to "
                "learn from and one to test with; add pictures or leave the class out"
            )


def check_units(
    labels: NDArray[np.intp], units: Sequence[str], files: Sequence[str], names: Sequence[str], split: Split
) -> int:
    """How many folds there can be, at most `FOLDS`: each must hold out units of every class.

    Args:
        labels: class numbers of the pictures that are learnt from.
        units: their units.
        files: their files, for the message.
        names: of the classes.
        split: what is kept together.

    Raises:
        DataError: all pictures of a class are one unit, so that one side of the split would lack it.
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
