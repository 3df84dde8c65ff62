"""Decides whether the integer model is worse than the float model, from the answers of both on the same pictures.

A difference alone is not worse: rounding changes some verdicts in both directions. Each of these is worse:

1. Its ROC AUC over pictures is lower by more than 0.002 (by more than one pair if there are fewer than 500 pairs), and
   by more than chance: in 2,000 permutations, which swap the two models at random in each sequence, fewer than 2.5 %
   have as large a loss.
2. Its probabilities differ by more than 0.02 on average.
3. More verdicts that were right in float are wrong in integers than the reverse, by more than chance (exact binomial
   test, one-sided, below 2.5 %). Changes closer to the threshold than the noise are not counted. The noise is the 95 %
   quantile of the differences of the sequences' confidences, at most 0.05.

Traps do not use the head in the graph, so the limits for it are wider:

4. It is broken if its AUC is lower by more than 0.05, or its probabilities differ by more than 0.1 on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from uncia_contract.bursts.decisions import DecisionRule, decide

MOST_AUC, MOST_MEAN, MOST_NOISE = 0.002, 0.02, 0.05
BROKEN_AUC, BROKEN_MEAN = 0.05, 0.1
CHANCE, DEALS, NOISE_SHARE = 0.025, 2000, 0.95
WORST = 10

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]


class PictureParity(Struct, frozen=True):
    """A picture's probability by both models; `file` is relative to the common folder of all pictures."""

    file: str
    positive: bool
    float_probability: float
    int8_probability: float

    @property
    def difference(self) -> float:
        """The absolute difference of the two probabilities."""
        return abs(self.float_probability - self.int8_probability)


class SequenceParity(Struct, frozen=True):
    """A sequence's confidence by both models; `file` is its first picture, `positive` whether it shows the animal."""

    file: str
    float_confidence: float
    int8_confidence: float
    positive: bool

    @property
    def difference(self) -> float:
        """The absolute difference of the two confidences."""
        return abs(self.float_confidence - self.int8_confidence)

    def was_right(self, threshold: float) -> bool:
        """Whether the float model's verdict is right."""
        return self.positive == (self.float_confidence >= threshold)


class Agreement(Struct, frozen=True):
    """The comparison of both models for one choice of heads. AUCs are None if the data hold only one class.

    `noise` is that of #3. Of the changed verdicts beyond it, `worse` were right in float, `better` are right in int8.
    `problems` is empty if the integer model is not worse by #1 to #3, `broken` if it is not broken by #4. `worst` are
    the pictures with the largest differences.
    """

    mean_difference: float
    largest_difference: float
    roc_auc_float: float | None
    roc_auc_int8: float | None
    noise: float
    worse: int
    better: int
    changed_verdicts: tuple[SequenceParity, ...]
    worst: tuple[PictureParity, ...]
    problems: tuple[str, ...]
    broken: tuple[str, ...]

    def told(self, threshold: float) -> list[str]:
        """A line for each changed verdict."""
        return [
            f"{one.file}: {one.float_confidence:.3f} in float, {one.int8_confidence:.3f} in int8 "
            f"(threshold {threshold:.3f}): {self._kind(one, threshold)}"
            for one in self.changed_verdicts
        ]

    def _kind(self, one: SequenceParity, threshold: float) -> str:
        if abs(one.float_confidence - threshold) <= self.noise:
            return f"within the noise of {self.noise:.3f}"
        return "wrong in int8" if one.was_right(threshold) else "right in int8"


def agreement(groups: Sequence[Sequence[PictureParity]], rule: DecisionRule) -> Agreement:
    """Compare both models on sequences, each given as its pictures' probabilities; `rule` gives the verdicts."""
    rows = [row for group in groups for row in group]
    differences = np.array([row.difference for row in rows])
    mean, aucs, most = float(differences.mean()), _aucs(groups), _most_auc(groups)
    noise, changed = _verdicts(groups, rule)
    far = [one for one in changed if abs(one.float_confidence - rule.threshold) > noise]
    worse = sum(one.was_right(rule.threshold) for one in far)
    return Agreement(
        mean_difference=round(mean, 6),
        largest_difference=round(float(differences.max()), 6),
        roc_auc_float=aucs.in_float,
        roc_auc_int8=aucs.in_int8,
        noise=round(noise, 6),
        worse=worse,
        better=len(far) - worse,
        changed_verdicts=tuple(changed),
        worst=tuple(rows[index] for index in np.argsort(-differences, kind="stable")[:WORST]),
        problems=(
            *(_auc_problem(aucs, most) if aucs.lost > most and not _is_chance(groups, aucs.lost) else ()),
            *_mean_problem(mean, MOST_MEAN),
            *_verdict_problem(worse, len(far), noise),
        ),
        broken=(*_auc_problem(aucs, BROKEN_AUC), *_mean_problem(mean, BROKEN_MEAN)),
    )


@dataclass(frozen=True)
class _Aucs:
    in_float: float | None
    in_int8: float | None

    @property
    def lost(self) -> float:
        """By how much the integer model's AUC is lower; 0 without AUCs."""
        return 0.0 if self.in_float is None or self.in_int8 is None else self.in_float - self.in_int8


def _aucs(groups: Sequence[Sequence[PictureParity]]) -> _Aucs:
    truth, in_float, in_int8, _ = _columns(groups)
    return _Aucs(roc_auc(truth, in_float), roc_auc(truth, in_int8))


def _columns(groups: Sequence[Sequence[PictureParity]]) -> tuple[Truth, Scores, Scores, NDArray[np.intp]]:
    """Arrays over all pictures: truth, float probability, int8 probability, number of the sequence."""
    rows = [row for group in groups for row in group]
    return (
        np.array([row.positive for row in rows]),
        np.array([row.float_probability for row in rows]),
        np.array([row.int8_probability for row in rows]),
        np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
    )


def _most_auc(groups: Sequence[Sequence[PictureParity]]) -> float:
    truth = _columns(groups)[0]
    pairs = int(truth.sum()) * int((~truth).sum())
    return max(MOST_AUC, 1 / pairs) + 1e-9 if pairs else MOST_AUC


def _is_chance(groups: Sequence[Sequence[PictureParity]], lost: float) -> bool:
    """Whether a permutation test (#1) finds a loss as large as `lost` in 2.5 % of the permutations or more."""
    truth, in_float, in_int8, numbers = _columns(groups)
    dealt, as_much = np.random.default_rng(0), 0
    for _ in range(DEALS):
        swapped = (dealt.random(len(groups)) < 0.5)[numbers]
        one, other = np.where(swapped, in_int8, in_float), np.where(swapped, in_float, in_int8)
        as_much += (roc_auc(truth, one) or 0.0) - (roc_auc(truth, other) or 0.0) >= lost - 1e-12
    return (as_much + 1) / (DEALS + 1) >= CHANCE


def _auc_problem(aucs: _Aucs, most: float) -> list[str]:
    if aucs.lost <= most:
        return []
    return [f"ROC AUC {aucs.in_int8:.4f} in int8 and {aucs.in_float:.4f} in float, expected at most {most:.3g} less"]


def _mean_problem(mean: float, most: float) -> list[str]:
    return [f"probabilities differ by {mean:.4f} on average, expected at most {most}"] if mean > most else []


def _verdicts(groups: Sequence[Sequence[PictureParity]], rule: DecisionRule) -> tuple[float, list[SequenceParity]]:
    """The noise (#3), and the sequences with a changed verdict."""
    differences, changed = [], []
    for group in groups:
        in_float = decide([row.float_probability for row in group], rule)
        in_int8 = decide([row.int8_probability for row in group], rule)
        shows = any(row.positive for row in group)
        both = SequenceParity(group[0].file, in_float.confidence, in_int8.confidence, shows)
        differences.append(both.difference)
        if in_float.positive != in_int8.positive:
            changed.append(both)
    return min(MOST_NOISE, float(np.quantile(differences, NOISE_SHARE))), changed


def _verdict_problem(worse: int, changed: int, noise: float) -> list[str]:
    chance = sum(comb(changed, count) for count in range(worse, changed + 1)) / 2**changed
    if not worse or chance >= CHANCE:
        return []
    return [
        f"of {changed} verdicts that change beyond the noise of {noise:.3f}, {worse} are wrong in int8; "
        f"by chance alone this happens in {100 * chance:.2g} of 100 cases"
    ]


def roc_auc(truth: Truth, scores: Scores) -> float | None:
    """The ROC AUC: the chance that a positive scores above a negative, ties count half; None for only one class."""
    positive, negative = np.sort(scores[truth]), scores[~truth]
    if not len(positive) or not len(negative):
        return None
    below = np.searchsorted(positive, negative, side="left")
    tied = np.searchsorted(positive, negative, side="right") - below
    return float((len(positive) - below - tied / 2).sum() / (len(positive) * len(negative)))
