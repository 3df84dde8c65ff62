"""Adds pictures that are never used for training to the pictures of a data set.

The added pictures get split `tune`, whatever their rows say. Their names and sequences must differ from those of the
data set, so that pictures cannot be confused.
"""

from collections.abc import Sequence
from dataclasses import replace

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture, sequence_key


def beside(pictures: Sequence[LabelledPicture], never_learnt: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """The pictures of both, the second with split `tune` (or `test`).

    Raises:
        DataError: a picture or a sequence has the same name in both.
    """
    files, keys = {picture.file for picture in pictures}, {sequence_key(picture) for picture in pictures}
    for picture in never_learnt:
        if picture.file in files:
            raise DataError(f"--never-learnt: {picture.file} is also a picture of the other data; give it another name")
        if sequence_key(picture) in keys:
            raise DataError(
                f"--never-learnt: {picture.file}: the other data also have a sequence {picture.sequence!r}; give it "
                "another name, source or location"
            )
    return [*pictures, *(one if one.never_learnt else replace(one, split="tune") for one in never_learnt)]
