"""The labels that are looked for, and those of a data set that only look different.

Decides which labels mean the same though they are written in two ways: they differ by case, blanks, underscores or
hyphens, or by the author of a scientific name (`Panthera uncia (Schreber, 1775)`). Such a label is an error, never a
guess.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from uncia_contract.errors import DataError

NEGATIVE = "other"  # the class of all that is not looked for
_NAME = r"(?:(?:de|von|van|d')\s*)?[^\W\d_a-z][^,()\d]*,?\s*\d{4}"
_AUTHOR = re.compile(rf"^(\w+ \w+(?: [a-z]+)?) ?(?:\({_NAME}\)|{_NAME})$")
_BETWEEN = re.compile(r"[\s_-]+")


def positive_labels(names: Iterable[str]) -> tuple[str, ...]:
    """The labels that are looked for, each once.

    Raises:
        DataError: one is empty, called like the class of all else, or written in two ways.
    """
    labels = tuple(dict.fromkeys(names))
    meant: dict[str, str] = {}
    for label in labels:
        earlier = meant.setdefault(_meaning(label), label)
        if not _meaning(label):
            raise DataError(f"--positive {label!r}: expected a label")
        if _meaning(label) == NEGATIVE:
            raise DataError(f"--positive {label}: that is the class of all that is not looked for; rename the label")
        if earlier != label:
            raise DataError(f"--positive {label!r} differs from {earlier!r} only in writing; give one of them")
    return labels


def check_labels(found: Iterable[tuple[str, str]], positive: Sequence[str]) -> None:
    """Nothing, if every label is a positive one or another one.

    Args:
        found: labels of a data set, each with where it stands.
        positive: the labels that are looked for.

    Raises:
        DataError: a label differs from a positive one only in writing; both are named.
    """
    meant = {_meaning(label): label for label in positive}
    known = set(positive)  # a million annotations have a few labels
    for label, where in found:
        if label in known:
            continue
        known.add(label)
        if (wanted := meant.get(_meaning(label))) is not None:
            raise DataError(
                f"{where}: label {label!r} differs from the positive label {wanted!r} only in writing (case, blanks, "
                "underscores, a name's author); write both alike"
            )


def _meaning(label: str) -> str:
    """What is left of a label without what may differ in writing."""
    words = _BETWEEN.sub(" ", unicodedata.normalize("NFKC", label)).strip()
    return _AUTHOR.sub(r"\1", words).casefold().replace(" ", "")
