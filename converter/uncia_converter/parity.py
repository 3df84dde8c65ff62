"""Whether the integer model decides worse than the float model: measured before a model becomes a bundle.

Both models see the same pictures through the same preprocessing, regions, second looks and burst rule, and the same
head reads their features; what differs is the arithmetic alone. What is worse beyond chance, `agreement` says. It is
asked twice:

1. for the validation split: each picture is read by a head that learnt neither from it nor from anything that belongs
   to it (its sequence, its copies, its source where that has no positives), as the run's folds say; a head knows its
   own pictures too well to be moved by rounding;
2. for the head that goes into the bundle, which may have learnt from all of them;

and each time for both outputs of the integer model:

3. its features, read by the head in float32, as on the trap;
4. its probabilities, given by the head in integers inside the graph, as in any other TFLite tool: no trap reads them,
   and only a head that is plainly broken is refused.

There is no way around it: a model that does not pass does not become a bundle, and one that cannot be compared neither:

5. the head that goes into the bundle must rank the pictures, in float, as well as those that did not see them, or its
   ROC AUC is at most 0.05 lower: else it was fitted to other features;
6. one in a hundred of the pictures that a head learnt from may have been lost since (one, where there are fewer).
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
    """What was measured, for the manifest: #1 in `validation`, #2 in `bundled_head`, #4 in those `_in_graph`.

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
    def read_by_traps(self) -> dict[str, Agreement]:
        """The two of #3, by the words that a problem of theirs begins with."""
        return {"": self.validation, "with the bundle's head ": self.bundled_head}

    @property
    def problems(self) -> tuple[str, ...]:
        """Empty when the model passes."""
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
        """#5."""
        unseen, own = self.validation.roc_auc_float, self.bundled_head.roc_auc_float
        if unseen is None or own is None or own >= unseen - MOST_HEAD_AUC:
            return []
        return [
            f"the head's ROC AUC is {own:.3f} in float, that of heads that learnt without the pictures {unseen:.3f}: "
            "it was fitted to other features"
        ]

    def told(self, threshold: float) -> list[str]:
        """A line for each verdict that changes on a trap, and one for those of the graph's own head."""
        lines = [words + line for words, one in self.read_by_traps.items() for line in one.told(threshold)]
        others = len(self.validation_in_graph.changed_verdicts), len(self.bundled_head_in_graph.changed_verdicts)
        if any(others):
            lines.append(
                f"in the graph, which no trap reads, {others[0]} verdicts change, with its own head {others[1]}"
            )
        return lines


class ParityError(UnciaError):
    """The integer model decides worse than the float model; `report` says by how much."""

    def __init__(self, report: ParityReport) -> None:
        super().__init__(
            f"not made into a bundle: {'; '.join(report.problems)}; the integer model loses too much. Quantize it anew "
            "with another number of your pictures and train again (uncia-convert backbone --pictures 100, 200 or as "
            "many as you have), or take another --layer or --backbone"
        )
        self.report = report


@dataclass(frozen=True)
class _Row:
    """One picture by #1 and #2, each by #3 and #4."""

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
        DataError: not one picture can be used, too many are lost (#6), or a sequence lies in two folds.
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
    """Names without the path of this machine: relative to the folder that all pictures share."""
    folder = os.path.commonpath([picture.path.resolve().parent for picture in pictures]) if pictures else ""
    return lambda picture: picture.path.resolve().relative_to(folder).as_posix()
