"""Pictures that no head learns from, beside those of a data set that heads do learn from.

Decides that they count as split `tune` whatever their rows say, and that neither their names nor their sequences may be
those of the data set: a picture would be taken for another one.
"""

from collections.abc import Sequence
from dataclasses import replace

from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture, sequence_key


def beside(pictures: Sequence[LabelledPicture], never_learnt: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """Both, the second of which nothing learns from.

    Raises:
        DataError: a picture or a sequence has the name of another one.
    """
    files, keys = {picture.file for picture in pictures}, {sequence_key(picture) for picture in pictures}
    for picture in never_learnt:
        if picture.file in files:
            raise DataError(f"--never-learnt: {picture.file} is a picture of the other data, too; give it another name")
        if sequence_key(picture) in keys:
            raise DataError(
                f"--never-learnt: {picture.file}: the other data have a sequence {picture.sequence!r}, too; give it "
                "another name, source or location"
            )
    return [*pictures, *(one if one.never_learnt else replace(one, split="tune") for one in never_learnt)]
