"""Chooses the label of a picture with several."""

from collections.abc import Sequence

BLANK = "blank"
_EMPTY = {"empty", "blank", "none"}


def strongest(labels: Sequence[str], positive: Sequence[str]) -> str:
    """The label of a picture with several: the first positive one, else the first that is not empty, else `blank`."""
    for name in (*[label for label in positive if label in labels], *labels):
        if name.lower() not in _EMPTY:
            return name
    return BLANK
