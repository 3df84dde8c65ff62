"""Whether the integer model decides as the float model does: measured before a model becomes a bundle.

Both models see the same pictures through the same preprocessing, regions and burst rule, and the same head reads their
features; what differs is the arithmetic alone. A model passes when

1. its ROC AUC over pictures differs by at most 0.002, or by one pair of them where there are fewer than 500,
2. its probabilities differ by at most 0.02 on average,
3. no sequence's verdict changes, except where the float model's confidence lies within 0.02 of the threshold.

Every rule holds twice:

4. for the validation split: each picture is read by a head that learnt neither from it nor from anything that belongs
   to it (its sequence, its near-duplicates, its source where that has no positives), as the run's folds say; a head
   knows its own pictures too well to be moved by rounding;
5. for the head that goes into the bundle, which may have learnt from all of them;

and each time for both outputs of the integer model:

6. its features, read by the head in float32, as on the trap;
7. its probabilities, given by the head in integers inside the graph, as in any other TFLite tool.

There is no way around it: a model that does not pass does not become a bundle, and one that cannot be compared neither:

8. one in a hundred of the pictures that a head learnt from may have been lost since (one, where there are fewer).
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from uncia_contract.bursts.decisions import DecisionRule, decide
from uncia_contract.errors import DataError, UnciaError
from uncia_contract.model.classifier import NotedScore
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.manifest import Manifest
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.runs.held_out import NO_FOLD, HeldOut
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.score_burst import score_burst
from uncia_converter.parity_models import HeadProbabilities, ModelPair, ParityScorer

MOST_AUC, MOST_MEAN, MARGIN = 0.002, 0.02, 0.02
WORST = 10


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
    """What was measured, for the manifest: #4 in `validation`, #5 in `bundled_head`, #7 in those `_in_graph`.

    `failures` counts the pictures that could not be compared, `folds` the heads of the validation split.
    """

    pictures: int
    sequences: int
    failures: int
    folds: int
    validation: Agreement
    bundled_head: Agreement
    validation_in_graph: Agreement
    bundled_head_in_graph: Agreement

    @property
    def agreements(self) -> dict[str, Agreement]:
        """All four, by the words that a problem of theirs begins with."""
        return {
            "": self.validation,
            "with the bundle's head ": self.bundled_head,
            "in the graph ": self.validation_in_graph,
            "with the bundle's head in the graph ": self.bundled_head_in_graph,
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """Empty when the model passes."""
        return tuple(words + problem for words, one in self.agreements.items() for problem in one.problems)


class ParityError(UnciaError):
    """The integer model does not decide as the float model does; `report` says by how much."""

    def __init__(self, report: ParityReport) -> None:
        worst = next(one for one in report.agreements.values() if one.problems).worst[0]
        super().__init__(
            f"not made into a bundle: {'; '.join(report.problems)} (worst picture: {worst.file}, "
            f"{worst.float_probability:.3f} in float, {worst.int8_probability:.3f} in int8); "
            "calibrate with more or other pictures (uncia-convert backbone --pictures, uncia-train compare "
            "--calibration-pictures) or take another layer or backbone"
        )
        self.report = report


@dataclass(frozen=True)
class _Row:
    """One picture by #4 and #5, each by #6 and #7."""

    validation: PictureParity
    bundled_head: PictureParity
    validation_in_graph: PictureParity
    bundled_head_in_graph: PictureParity


def measure_parity(
    manifest: Manifest,
    head: LogisticHead,
    models: ModelPair,
    pictures: Sequence[LabelledPicture],
    held_out: HeldOut,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ParityReport:
    """How far the integer model is from the float model.

    Args:
        manifest: whose rules, labels and input size hold.
        head: the bundle's.
        models: the backbone in integers and in float.
        pictures: with labels; those of a sequence are scored together, on their regions.
        held_out: for each of them, the head that did not see it.
        progress: told how many of how many sequences are done.

    Raises:
        BundleError: a model is none, or not of that kind.
        DataError: not one picture can be used, too many are lost (#8), or a sequence lies in two folds.
    """
    scorer = ParityScorer(manifest, head, held_out.heads, models)
    folds = {picture.file: int(fold) for picture, fold in zip(pictures, held_out.folds, strict=True)}
    groups = [group for group in map(list, sequences(pictures)) if _fold(group, folds) != NO_FOLD]
    scored: list[list[_Row]] = []
    lost: set[str] = set()
    name = _names(pictures)
    for number, group in enumerate(groups):
        scorer.fold = _fold(group, folds)
        scored.append(_score(group, scorer, name))
        learnt = {name(picture) for picture in group if folds[picture.file] != NO_FOLD}
        lost |= learnt - {row.validation.file for row in scored[-1]}
        progress(number + 1, len(groups))
    _require_pictures(lost, sum(fold != NO_FOLD for fold in folds.values()))
    return _report([group for group in scored if group], len(pictures), len(held_out.heads), manifest.decision_rule)


def require_parity(report: ParityReport) -> None:
    """Nothing, if the model passes.

    Raises:
        ParityError: it does not.
    """
    if report.problems:
        raise ParityError(report)


def _require_pictures(lost: Collection[str], learnt: int) -> None:
    if len(lost) > max(1, learnt // 100):
        raise DataError(
            f"parity: {len(lost)} of {learnt} pictures that the head learnt from cannot be read any more, the first: "
            f"{min(lost)}; expected one in a hundred at most: bring them back, or train anew"
        )


def _fold(group: Sequence[LabelledPicture], folds: dict[str, int]) -> int:
    found = {folds[picture.file] for picture in group} - {NO_FOLD}
    if len(found) > 1:
        raise DataError(
            f"{group[0].file}: its sequence lies in {len(found)} folds, so no head is left that did not see it; "
            "train without --split random"
        )
    return found.pop() if found else NO_FOLD


def _score(
    group: Sequence[LabelledPicture], scorer: ParityScorer, name: Callable[[LabelledPicture], str]
) -> list[_Row]:
    verdict = score_burst([partial(read_as_jpeg, picture.path) for picture in group], scorer, every_frame=True)
    if verdict is None:
        return []
    positive = scorer.manifest.positive_labels
    return [
        _row(name(picture), picture.label in positive, *frame.score.note)
        for picture, frame in zip(group, verdict.frames, strict=True)
        if isinstance(frame.score, NotedScore)
    ]


def _row(file: str, positive: bool, unseen: HeadProbabilities, own: HeadProbabilities) -> _Row:
    def parity(in_float: float, in_integers: float) -> PictureParity:
        return PictureParity(file, positive, round(in_float, 6), round(in_integers, 6))

    return _Row(
        validation=parity(unseen.in_float, unseen.in_int8),
        bundled_head=parity(own.in_float, own.in_int8),
        validation_in_graph=parity(unseen.in_float, unseen.in_graph),
        bundled_head_in_graph=parity(own.in_float, own.in_graph),
    )


def _report(groups: Sequence[Sequence[_Row]], offered: int, folds: int, rule: DecisionRule) -> ParityReport:
    compared = sum(len(group) for group in groups)
    if not compared:
        raise DataError(f"parity: none of {offered} pictures can be used; the training data has moved or is damaged")

    def agree(which: Callable[[_Row], PictureParity]) -> Agreement:
        return agreement([[which(row) for row in group] for group in groups], rule)

    return ParityReport(
        pictures=compared,
        sequences=len(groups),
        failures=offered - compared,
        folds=folds,
        validation=agree(lambda row: row.validation),
        bundled_head=agree(lambda row: row.bundled_head),
        validation_in_graph=agree(lambda row: row.validation_in_graph),
        bundled_head_in_graph=agree(lambda row: row.bundled_head_in_graph),
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
        problems=tuple(_problems(aucs, _most_auc(truth), float(differences.mean()), changed, rule)),
    )


def _changed(groups: Sequence[Sequence[PictureParity]], rule: DecisionRule) -> list[SequenceParity]:
    changed = []
    for group in groups:
        in_float = decide([row.float_probability for row in group], rule)
        in_int8 = decide([row.int8_probability for row in group], rule)
        if in_float.positive != in_int8.positive:
            changed.append(SequenceParity(group[0].file, in_float.confidence, in_int8.confidence))
    return changed


def _most_auc(truth: NDArray[np.bool_]) -> float:
    pairs = int(truth.sum()) * int((~truth).sum())
    return max(MOST_AUC, 1 / pairs) if pairs else MOST_AUC


def _problems(
    aucs: Sequence[float | None],
    most_auc: float,
    mean: float,
    changed: Sequence[SequenceParity],
    rule: DecisionRule,
) -> list[str]:
    problems = []
    if aucs[0] is not None and aucs[1] is not None and abs(aucs[0] - aucs[1]) > most_auc + 1e-9:
        problems.append(f"ROC AUC {aucs[1]:.4f} in int8 and {aucs[0]:.4f} in float, expected within {most_auc:.3g}")
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
