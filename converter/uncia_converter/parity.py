"""Measures whether the integer model decides worse than the float model, before a bundle is made.

Both models get the same pictures with the same preprocessing, regions, second looks and burst rule, and the same head
reads their features. So only the arithmetic differs. `agreement` decides what is worse. The comparison is done twice:

1. with held-out heads: each picture is scored by the head of its fold, which learnt neither from the picture nor from
   anything related to it (its sequence, its copies, its source if that has no positives). On pictures that a head has
   learnt, rounding has too little effect;
2. with the head of the bundle, which may have learnt from all pictures;

and each time for both outputs of the integer model:

3. its features, with the head in float32, as on the trap;
4. its probabilities, from the quantized head in the graph, as in other TFLite tools. Traps do not use them, so only a
   broken head is refused.

This check cannot be skipped: if a model does not pass or cannot be compared, no bundle is made. Two rules more:

5. The ROC AUC of the bundle's head in float must be at most 0.05 lower than that of the held-out heads; otherwise the
   head was fitted to other features.
6. At most 1 % of the pictures that a head learnt from may be missing (one picture, if there are fewer than 100).
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec import Struct

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.errors import DataError, UnciaError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.manifest import Manifest
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.runs.held_out import NO_FOLD, HeldOut
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.score_burst import score_burst
from uncia_converter.agreement import Agreement, PictureParity, agreement
from uncia_converter.parity_models import HeadProbabilities, ModelPair, ParityScore, ParityScorer

MOST_HEAD_AUC = 0.05


class ParityReport(Struct, frozen=True):
    """The result of the comparison, for the manifest: #1 in `validation`, #2 in `bundled_head`, #4 in `..._in_graph`.

    `failures` is the number of pictures that could not be compared, `folds` the number of held-out heads.
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
    def read_by_traps(self) -> dict[str, Agreement]:
        """The two agreements of #3, by the first words of their problems."""
        return {"": self.validation, "with the bundle's head ": self.bundled_head}

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the model is refused, one line each; empty if it passes."""
        in_graph = {
            "in the graph ": self.validation_in_graph,
            "with the bundle's head in the graph ": self.bundled_head_in_graph,
        }
        return (
            *self._head_problem(),
            *(words + problem for words, one in self.read_by_traps.items() for problem in one.problems),
            *(words + problem for words, one in in_graph.items() for problem in one.broken),
        )

    def _head_problem(self) -> list[str]:
        """A line if the bundle's head ranks worse than the held-out heads (#5)."""
        unseen, own = self.validation.roc_auc_float, self.bundled_head.roc_auc_float
        if unseen is None or own is None or own >= unseen - MOST_HEAD_AUC:
            return []
        return [
            f"the head's ROC AUC is {own:.3f} in float, that of the held-out heads {unseen:.3f}: "
            "it was fitted to other features"
        ]

    def told(self, threshold: float) -> list[str]:
        """A line for each verdict that changes on a trap, and one with the number of changes by the graph's head."""
        lines = [words + line for words, one in self.read_by_traps.items() for line in one.told(threshold)]
        others = len(self.validation_in_graph.changed_verdicts), len(self.bundled_head_in_graph.changed_verdicts)
        if any(others):
            lines.append(
                f"with the head in the graph, which traps do not use, {others[0]} verdicts change, "
                f"and with the bundle's head in the graph {others[1]}"
            )
        return lines


class ParityError(UnciaError):
    """The integer model decides worse than the float model; `report` says by how much."""

    def __init__(self, report: ParityReport) -> None:
        super().__init__(
            f"no bundle was made: {'; '.join(report.problems)}; the integer model is worse than the float model. "
            "Quantize it again with another number of your pictures and train again (uncia-convert backbone --pictures "
            "100, 200 or as many as you have), or use another --layer or --backbone"
        )
        self.report = report


@dataclass(frozen=True)
class _Row:
    """The results of one picture for #1 and #2, each for #3 and #4."""

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
    """Compare the integer model with the float model.

    Args:
        manifest: gives the rules, labels and input size.
        head: the bundle's head.
        models: the backbone in integers and in float.
        pictures: labelled pictures; those of a sequence are scored together, with regions.
        held_out: the held-out heads, and the fold of each picture.
        progress: called with the number of sequences done and the number of all.

    Raises:
        BundleError: a model cannot be loaded or is of another kind.
        DataError: no picture can be used, too many are missing (#6), or a sequence is split between two folds.
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
    """Check that the model passes.

    Raises:
        ParityError: it does not.
    """
    if report.problems:
        raise ParityError(report)


def _require_pictures(lost: Collection[str], learnt: int) -> None:
    if len(lost) > max(1, learnt // 100):
        raise DataError(
            f"parity: {len(lost)} of {learnt} pictures that the head learnt from cannot be read any more, the first: "
            f"{min(lost)}; expected at most 1 %: restore them, or train again"
        )


def _fold(group: Sequence[LabelledPicture], folds: dict[str, int]) -> int:
    found = {folds[picture.file] for picture in group} - {NO_FOLD}
    if len(found) > 1:
        raise DataError(
            f"{group[0].file}: its sequence is split between {len(found)} folds, so every head has learnt from it; "
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
        if isinstance(frame.score, ParityScore)
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


def _names(pictures: Sequence[LabelledPicture]) -> Callable[[LabelledPicture], str]:
    """A function that names a picture relative to the common folder of all, without the path of this machine."""
    folder = os.path.commonpath([picture.path.resolve().parent for picture in pictures]) if pictures else ""
    return lambda picture: picture.path.resolve().relative_to(folder).as_posix()
