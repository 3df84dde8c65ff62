"""Compares an old and a new bundle on the same sequences.

Decides which sequences count: those of split `test` and `tune`, which were not used for training, or all if the data
have no such split; of these, the sequences that both bundles could read. Differences are paired: both bundles share
each draw.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from uncia_contract.errors import DataError
from uncia_contract.model.bundle import Bundle
from uncia_contract.runs.labels import LabelledPicture, sequences, shows
from uncia_training.archive.evaluate import Evaluator, SequenceScore
from uncia_training.archive.evaluate_figures import dealt_of
from uncia_training.datasets.pictures import require_readable
from uncia_training.fitting.metrics import NAMES, Figures, figures

Progress = Callable[[str, int, int], None]
OLD, NEW = "old", "new"


def compare_bundles(
    pictures: Sequence[LabelledPicture], old: Bundle, new: Bundle, workers: int, progress: Progress
) -> dict[str, Any]:
    """The documented report: the figures of both, the differences new - old, and the sequences with another verdict.

    Raises:
        DataError: the bundles have different positive labels, or no sequence can be read.
    """
    positive = old.manifest.positive_labels
    if set(positive) != set(new.manifest.positive_labels):
        named = [", ".join(one.manifest.positive_labels) for one in (old, new)]
        raise DataError(f"the bundles have different positive labels: {named[0]} and {named[1]}; expected the same")
    bursts = sequences(compared(pictures))
    both = {name: _scores(bundle, bursts, workers, name, progress) for name, bundle in ((OLD, old), (NEW, new))}
    failures = {one.file: one for said in both.values() for score in said for one in score.failures}
    read = [number for number, pair in enumerate(zip(*both.values(), strict=True)) if _is_read(pair)]
    require_readable(len(read), list(failures.values()))
    kept = [bursts[number] for number in read]
    scores = {name: [said[number].confidence or 0.0 for number in read] for name, said in both.items()}
    thresholds = {OLD: old.manifest.decision_rule.threshold, NEW: new.manifest.decision_rule.threshold}
    found = {name: figures(dealt_of(kept, scores[name], positive), thresholds[name]) for name in scores}
    return {
        "sequences": len(kept),
        "unreadable": len(bursts) - len(kept),
        "never_learnt_from": all(picture.never_learnt for burst in bursts for picture in burst),
        "failures": msgspec.to_builtins(list(failures.values())),
        **{name: {"threshold": thresholds[name], **found[name].as_dict()} for name in found},
        "new_exceeds_by": _differences(found[NEW], found[OLD]),
        "changed": [
            {"files": [one.file for one in burst], "positive": shows(burst, positive), OLD: before, NEW: after}
            for burst, before, after in zip(kept, scores[OLD], scores[NEW], strict=True)
            if (before >= thresholds[OLD]) != (after >= thresholds[NEW])
        ],
    }


def compared(pictures: Sequence[LabelledPicture]) -> Sequence[LabelledPicture]:
    """The pictures of split `test` and `tune`; all pictures if there are none."""
    return [picture for picture in pictures if picture.never_learnt] or pictures


def _scores(
    bundle: Bundle, bursts: Sequence[Sequence[LabelledPicture]], workers: int, name: str, progress: Progress
) -> list[SequenceScore]:
    step = f"sequences by the {name} bundle"
    return Evaluator(bundle, workers).score_sequences(bursts, lambda done, total: progress(step, done, total))


def _is_read(pair: Sequence[SequenceScore]) -> bool:
    return all(one.confidence is not None for one in pair)


def _differences(one: Figures, other: Figures) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in NAMES:
        value, spread = one.exceeds(other, name) or (None, None)
        certain = spread is not None and spread[0] == spread[1]  # all draws are equal: there is no interval
        content |= {name: value, f"{name}_interval": None if certain else spread}
    return content
