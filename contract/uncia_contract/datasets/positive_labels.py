"""The labels that are looked for, and the class of all else."""

from collections.abc import Iterable

from uncia_contract.errors import DataError

NEGATIVE = "other"  # the class of all that is not looked for


def positive_labels(names: Iterable[str]) -> tuple[str, ...]:
    """The labels that are looked for, each once.

    Raises:
        DataError: one is called like the class of all else.
    """
    labels = tuple(dict.fromkeys(names))
    if NEGATIVE in labels:
        raise DataError(f"--positive {NEGATIVE}: that is the class of all that is not looked for; rename the label")
    return labels
