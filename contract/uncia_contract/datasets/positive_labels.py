"""Positive labels, and a check for labels of a data set that differ from them only in writing.

Two labels differ only in writing if they differ by case, spaces, underscores or hyphens, or by the author of a
scientific name (`Panthera uncia (Schreber, 1775)`). Such a label is refused, because nobody can know whether it was
meant.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from uncia_contract.errors import DataError

NEGATIVE = "other"  # the class of everything that is not a positive label
_NAME = r"(?:(?:de|von|van|d')\s*)?[^\W\d_a-z][^,()\d]*,?\s*\d{4}"
_AUTHOR = re.compile(rf"^(\w+ \w+(?: [a-z]+)?) ?(?:\({_NAME}\)|{_NAME})$")
_BETWEEN = re.compile(r"[\s_-]+")


def positive_labels(names: Iterable[str]) -> tuple[str, ...]:
    """The positive labels, each once, in the given order.

    Raises:
        DataError: a label is empty, is `other`, or differs from another one only in writing.
    """
    labels = tuple(dict.fromkeys(names))
    meant: dict[str, str] = {}
    for label in labels:
        earlier = meant.setdefault(_meaning(label), label)
        if not _meaning(label):
            raise DataError(f"--positive {label!r}: expected a label")
        if _meaning(label) == NEGATIVE:
            raise DataError(f"--positive {label}: this names the class of everything else; rename the label")
        if earlier != label:
            raise DataError(f"--positive {label!r} differs from {earlier!r} only in writing; give one of them")
    return labels


def check_labels(found: Iterable[tuple[str, str]], positive: Sequence[str]) -> None:
    """Check that no label of a data set differs from a positive one only in writing.

    Args:
        found: the labels of the data set, each with its place, for messages.
        positive: the positive labels.

    Raises:
        DataError: a label does; the message names both.
    """
    meant = {_meaning(label): label for label in positive}
    known = set(positive)  # each label is checked once: a million annotations have only a few
    for label, where in found:
        if label in known:
            continue
        known.add(label)
        if (wanted := meant.get(_meaning(label))) is not None:
            raise DataError(
                f"{where}: label {label!r} differs from the positive label {wanted!r} only in writing (case, spaces, "
                "underscores, a name's author); write both alike"
            )


def _meaning(label: str) -> str:
    """A label without the parts that may differ in writing."""
    words = _BETWEEN.sub(" ", unicodedata.normalize("NFKC", label)).strip()
    return _AUTHOR.sub(r"\1", words).casefold().replace(" ", "")
