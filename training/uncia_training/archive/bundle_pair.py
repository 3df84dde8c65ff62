"""Two bundles on the same sequences: is the new one better than the old one?

Decides which sequences count: those of split `test` and `tune`, which no bundle learnt from, where the data name any,
else all; of these the ones that both bundles could read. Differences are paired: both systems share each draw.
"""

from collections.abc import Callable, Sequence
from typing import Any

from uncia_contract.errors import DataError
from uncia_contract.model.bundle import Bundle
from uncia_contract.runs.labels import LabelledPicture, sequences, shows
from uncia_training.archive.evaluate import Evaluator
from uncia_training.archive.evaluate_figures import dealt_of
from uncia_training.fitting.metrics import NAMES, Figures, figures

Progress = Callable[[str, int, int], None]
OLD, NEW = "old", "new"


def compare_bundles(
    pictures: Sequence[LabelledPicture], old: Bundle, new: Bundle, workers: int, progress: Progress
) -> dict[str, Any]:
    """The documented report: figures of both, by how much the new bundle exceeds the old one, and changed verdicts.

    Raises:
        DataError: the bundles look for different labels, or no sequence can be read.
    """
    positive = old.manifest.positive_labels
    if set(positive) != set(new.manifest.positive_labels):
        named = [", ".join(one.manifest.positive_labels) for one in (old, new)]
        raise DataError(f"the bundles look for different labels: {named[0]} and {named[1]}; expected the same")
    held_out = [picture for picture in pictures if picture.never_learnt]
    bursts = sequences(held_out or pictures)
    both = {name: _scores(bundle, bursts, workers, name, progress) for name, bundle in ((OLD, old), (NEW, new))}
    read = [number for number in range(len(bursts)) if None not in (both[OLD][number], both[NEW][number])]
    if not read:
        raise DataError(f"none of {len(bursts)} sequences can be read")
    kept = [bursts[number] for number in read]
    scores = {name: [float(found[number] or 0.0) for number in read] for name, found in both.items()}
    thresholds = {OLD: old.manifest.decision_rule.threshold, NEW: new.manifest.decision_rule.threshold}
    found = {name: figures(dealt_of(kept, scores[name], positive), thresholds[name]) for name in scores}
    return {
        "sequences": len(kept),
        "unreadable": len(bursts) - len(kept),
        "never_learnt_from": bool(held_out),
        **{name: {"threshold": thresholds[name], **found[name].as_dict()} for name in found},
        "new_exceeds_by": _differences(found[NEW], found[OLD]),
        "changed": [
            {"files": [one.file for one in burst], "positive": shows(burst, positive), OLD: before, NEW: after}
            for burst, before, after in zip(kept, scores[OLD], scores[NEW], strict=True)
            if (before >= thresholds[OLD]) != (after >= thresholds[NEW])
        ],
    }


def _scores(
    bundle: Bundle, bursts: Sequence[Sequence[LabelledPicture]], workers: int, name: str, progress: Progress
) -> list[float | None]:
    step = f"sequences by the {name} bundle"
    found = Evaluator(bundle, workers).score_sequences(bursts, lambda done, total: progress(step, done, total))
    return [None if one is None else one[0] for one in found]


def _differences(one: Figures, other: Figures) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in NAMES:
        value, spread = one.exceeds(other, name) or (None, None)
        certain = spread is not None and spread[0] == spread[1]  # nothing changed in any draw: no interval is known
        content |= {name: value, f"{name}_interval": None if certain else spread}
    return content
