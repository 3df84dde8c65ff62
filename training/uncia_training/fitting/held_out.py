"""What a run hands to the converter's gate: for each picture, a head that never saw it.

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


def held_out(pictures: Sequence[LabelledPicture], looked_at: Sequence[LabelledPicture], choice: Choice) -> HeldOut:
    """Of the chosen penalty's folds.

    Args:
        pictures: of the run, in their order.
        looked_at: the picture of each crop that was fitted on.
        choice: the penalty, with the folds of those crops.
    """
    fold_of = {picture.file: int(fold) for picture, fold in zip(looked_at, choice.folds, strict=True)}
    folds = np.array([fold_of.get(picture.file, NO_FOLD) for picture in pictures], np.intp)
    return HeldOut(folds, [to_head(model, choice.calibration) for model in choice.models])
