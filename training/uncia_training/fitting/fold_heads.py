"""The heads of the cross-validation, for the converter's gate: for each picture, one that never saw it.

Decides nothing anew: folds, fits and calibration are those that chose the penalty. The head that goes into the bundle
is fitted on everything, for there are few pictures of a rare animal; the gate holds these heads to the same rules as
that one (docs/decisions/0004-quantization.md).
"""

from collections.abc import Sequence

import numpy as np

from uncia_contract.runs.held_out import NO_FOLD, HeldOut
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.fitting.logistic import to_head
from uncia_training.fitting.selection import Choice


def fold_heads(pictures: Sequence[LabelledPicture], fitted_on: Sequence[LabelledPicture], choice: Choice) -> HeldOut:
    """The fold of each picture, and the head of each fold, at the chosen penalty.

    Args:
        pictures: of the run, in their order.
        fitted_on: the picture of each crop that was fitted on.
        choice: the penalty, with the folds of those crops.
    """
    fold_of = {picture.file: int(fold) for picture, fold in zip(fitted_on, choice.folds, strict=True)}
    folds = np.array([fold_of.get(picture.file, NO_FOLD) for picture in pictures], np.intp)
    return HeldOut(folds, [to_head(model, choice.calibration) for model in choice.models])
