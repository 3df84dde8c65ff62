"""Whether the integer model decides as the float model does: measured before a model becomes a bundle.

Both models see the same pictures through the same preprocessing, regions and burst rule, and the same head reads their
features; what differs is the arithmetic alone. A model passes when

1. its ROC AUC over pictures differs by at most 0.002,
2. its probabilities differ by at most 0.02 on average,
3. no sequence's verdict changes, except where the float model's confidence lies within 0.02 of the threshold.

Every rule holds twice:

4. for the validation split: each picture is read by a head that learnt neither from it nor from anything that belongs
   to it (its sequence, its near-duplicates, its source where that has no positives), as the run's folds say; a head
   knows its own pictures too well to be moved by rounding;
5. for the head that goes into the bundle, which may have learnt from all of them.

There is no way around it: a model that does not pass does not become a bundle.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from uncia_contract.decisions import DecisionRule, decide, scoring_order
from uncia_contract.errors import BundleError, DataError, UnciaError
from uncia_contract.heads import LogisticHead
from uncia_contract.held_out import NO_FOLD, HeldOut
from uncia_contract.interpreter import Interpreter
from uncia_contract.labels import LabelledPicture, sequences
from uncia_contract.manifest import Manifest
from uncia_contract.scoring import score_burst

MOST_AUC, MOST_MEAN, MARGIN = 0.002, 0.02, 0.02
WORST = 10

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class PictureParity(Struct, frozen=True):
    """One picture's probability in both models; `file` is relative to the folder that all pictures share."""

    file: str
    positive: bool
    float_probability: float
    int8_probability: float

    @property
    def difference(self) -> float:
        """By how much the integer model's probability is off."""
        return abs(self.float_probability - self.int8_probability)


class SequenceParity(Struct, frozen=True):
    """One sequence's confidence in both models; `file` is its first picture."""

    file: str
    float_confidence: float
    int8_confidence: float


class Agreement(Struct, frozen=True):
    """How far both models are apart for one choice of heads. `problems` is empty when they agree; AUCs are None for
    one class."""

    mean_difference: float
    largest_difference: float
    roc_auc_float: float | None
    roc_auc_int8: float | None
    changed_verdicts: tuple[SequenceParity, ...]
    worst: tuple[PictureParity, ...]
    problems: tuple[str, ...]


class ParityReport(Struct, frozen=True):
    """What was measured, for the manifest: #4 in `validation`, #5 in `bundled_head`.

    `failures` counts the pictures that could not be compared, `folds` the heads of the validation split.
    """

    pictures: int
    sequences: int
    failures: int
    folds: int
    validation: Agreement
    bundled_head: Agreement

    @property
    def problems(self) -> tuple[str, ...]:
        """Empty when the model passes."""
        return (*self.validation.problems, *(f"with the bundle's head {one}" for one in self.bundled_head.problems))


class ParityError(UnciaError):
    """The integer model does not decide as the float model does; `report` says by how much."""

    def __init__(self, report: ParityReport) -> None:
        worst = (report.validation if report.validation.problems else report.bundled_head).worst[0]
        super().__init__(
            f"not made into a bundle: {'; '.join(report.problems)} (worst picture: {worst.file}, "
            f"{worst.float_probability:.3f} in float, {worst.int8_probability:.3f} in int8); "
            "calibrate with pictures like these, or take another layer or backbone"
        )
        self.report = report


@dataclass(eq=False)
class _BothModels:
    """A stand-in for the classifier: scores with the integer model, and writes down what the float model says.

    `pairs` holds (float, int8) of each picture, for the held-out head and for the bundle's.
    """

    manifest: Manifest
    head: LogisticHead
    int8: Features
    float32: Features
    held_out: LogisticHead | None = None
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)

    def score(self, image: NDArray[np.uint8]) -> float:
        both = self.float32(image), self.int8(image)
        unseen, own = (self._pair(both, head or self.head) for head in (self.held_out, self.head))
        self.pairs.append((unseen, own))
        return own[1]

    def _pair(self, both: Sequence[NDArray[np.float32]], head: LogisticHead) -> tuple[float, float]:
        first, second = (self._probability(features, head) for features in both)
        return first, second

    def _probability(self, features: NDArray[np.float32], head: LogisticHead) -> float:
        row = head.probabilities(features.reshape(1, -1))[0]
        return float(min(1.0, row[self.manifest.positive_columns].sum(dtype=np.float64)))


@dataclass(frozen=True)
class _Row:
    """One picture, read by the held-out head and by the bundle's."""

    validation: PictureParity
    bundled_head: PictureParity


def measure_parity(
    manifest: Manifest,
    head: LogisticHead,
    models: tuple[bytes, bytes],
    pictures: Sequence[LabelledPicture],
    held_out: HeldOut,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ParityReport:
    """How far the integer model is from the float model.

    Args:
        manifest: whose rules, labels and input size hold.
        head: the bundle's.
        models: the integer model and the float model, both with `features` as their first output.
        pictures: with labels; those of a sequence are scored together, on their regions.
        held_out: for each of them, the head that did not see it.
        progress: told how many of how many sequences are done.

    Raises:
        BundleError: a model is none, or not of that kind.
        DataError: not one picture can be used, or a sequence lies in two folds.
    """
    scorer = _BothModels(manifest, head, _int8_features(models[0]), _float_features(models[1]))
    folds = {picture.file: int(fold) for picture, fold in zip(pictures, held_out.folds, strict=True)}
    groups = [group for group in map(list, sequences(pictures)) if _fold(group, folds) != NO_FOLD]
    scored: list[list[_Row]] = []
    name = _names(pictures)
    for number, group in enumerate(groups):
        scorer.held_out = held_out.heads[_fold(group, folds)]
        scored.append(_score(group, scorer, name))
        progress(number + 1, len(groups))
    return _report([group for group in scored if group], len(pictures), len(held_out.heads), manifest.decision_rule)


def require_parity(report: ParityReport) -> None:
    """Nothing, if the model passes.

    Raises:
        ParityError: it does not.
    """
    if report.problems:
        raise ParityError(report)


def _fold(group: Sequence[LabelledPicture], folds: dict[str, int]) -> int:
    found = {folds[picture.file] for picture in group} - {NO_FOLD}
    if len(found) > 1:
        raise DataError(
            f"{group[0].file}: its sequence lies in {len(found)} folds, so no head is left that did not see it; "
            "train without --split random"
        )
    return found.pop() if found else NO_FOLD


def _score(group: Sequence[LabelledPicture], scorer: _BothModels, name: Callable[[LabelledPicture], str]) -> list[_Row]:
    scorer.pairs.clear()
    verdict = score_burst([picture.path.read_bytes for picture in group], scorer, every_frame=True)
    if verdict is None:
        return []
    usable = [picture for index, picture in enumerate(group) if index not in verdict.failures]
    pairs = dict(zip(scoring_order(len(usable)), scorer.pairs, strict=True))
    positive = scorer.manifest.positive_labels

    def row(picture: LabelledPicture, pair: tuple[float, float]) -> PictureParity:
        return PictureParity(name(picture), picture.label in positive, round(pair[0], 6), round(pair[1], 6))

    return [_Row(*(row(picture, pair) for pair in pairs[place])) for place, picture in enumerate(usable)]


def _report(groups: Sequence[Sequence[_Row]], offered: int, folds: int, rule: DecisionRule) -> ParityReport:
    compared = sum(len(group) for group in groups)
    if not compared:
        raise DataError(f"parity: none of {offered} pictures can be used; the training data has moved or is damaged")
    return ParityReport(
        pictures=compared,
        sequences=len(groups),
        failures=offered - compared,
        folds=folds,
        validation=agreement([[row.validation for row in group] for group in groups], rule),
        bundled_head=agreement([[row.bundled_head for row in group] for group in groups], rule),
    )


def agreement(groups: Sequence[Sequence[PictureParity]], rule: DecisionRule) -> Agreement:
    """Of the pictures of each sequence, by rules #1 to #3."""
    rows = [row for group in groups for row in group]
    differences = np.array([row.difference for row in rows])
    truth = np.array([row.positive for row in rows])
    aucs = [
        roc_auc(truth, np.array(column))
        for column in ([row.float_probability for row in rows], [row.int8_probability for row in rows])
    ]
    changed = _changed(groups, rule)
    return Agreement(
        mean_difference=round(float(differences.mean()), 6),
        largest_difference=round(float(differences.max()), 6),
        roc_auc_float=aucs[0],
        roc_auc_int8=aucs[1],
        changed_verdicts=tuple(changed),
        worst=tuple(rows[index] for index in np.argsort(-differences, kind="stable")[:WORST]),
        problems=tuple(_problems(aucs, float(differences.mean()), changed, rule)),
    )


def _changed(groups: Sequence[Sequence[PictureParity]], rule: DecisionRule) -> list[SequenceParity]:
    changed = []
    for group in groups:
        in_float = decide([row.float_probability for row in group], rule)
        in_int8 = decide([row.int8_probability for row in group], rule)
        if in_float.positive != in_int8.positive:
            changed.append(SequenceParity(group[0].file, in_float.confidence, in_int8.confidence))
    return changed


def _problems(
    aucs: Sequence[float | None], mean: float, changed: Sequence[SequenceParity], rule: DecisionRule
) -> list[str]:
    problems = []
    if aucs[0] is not None and aucs[1] is not None and abs(aucs[0] - aucs[1]) > MOST_AUC:
        problems.append(f"ROC AUC {aucs[1]:.4f} in int8 and {aucs[0]:.4f} in float, expected within {MOST_AUC}")
    if mean > MOST_MEAN:
        problems.append(f"probabilities differ by {mean:.4f} on average, expected at most {MOST_MEAN}")
    far = [one for one in changed if abs(one.float_confidence - rule.threshold) > MARGIN]
    if far:
        problems.append(
            f"{len(far)} verdicts change that are not within {MARGIN} of the threshold {rule.threshold:.3f}, "
            f"the first: {far[0].file} ({far[0].float_confidence:.3f} in float, {far[0].int8_confidence:.3f} in int8)"
        )
    return problems


def roc_auc(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """The chance that a positive scores above a negative, ties half; None where there is only one class."""
    positive, negative = np.sort(scores[truth]), scores[~truth]
    if not len(positive) or not len(negative):
        return None
    below = np.searchsorted(positive, negative, side="left")
    tied = np.searchsorted(positive, negative, side="right") - below
    return float((len(positive) - below - tied / 2).sum() / (len(positive) * len(negative)))


def _names(pictures: Sequence[LabelledPicture]) -> Callable[[LabelledPicture], str]:
    """Names without the path of this machine: relative to the folder that all pictures share."""
    folder = os.path.commonpath([picture.path.resolve().parent for picture in pictures]) if pictures else ""
    return lambda picture: picture.path.resolve().relative_to(folder).as_posix()


def _int8_features(model: bytes) -> Features:
    interpreter = Interpreter(model, threads=os.cpu_count() or 1)
    return lambda image: interpreter.run(image, interpreter.outputs[:1])[0]


def _float_features(model: bytes) -> Features:
    from ai_edge_litert.interpreter import Interpreter as AnyInterpreter

    try:
        interpreter: Any = AnyInterpreter(model_content=model, num_threads=os.cpu_count() or 1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"float.tflite: cannot be loaded ({error})") from error
    [pixels], [features] = interpreter.get_input_details(), interpreter.get_output_details()
    if pixels["dtype"] != np.float32:
        raise BundleError(f"float.tflite: input {np.dtype(pixels['dtype'])}, expected float32")

    def run(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(pixels["index"], image[np.newaxis].astype(np.float32))
        interpreter.invoke()
        result: NDArray[np.float32] = interpreter.get_tensor(features["index"])[0]
        return result

    return run
