"""Reliability of probabilities: whether they are calibrated, for one prior, corrected for chance.

The measure is the reliability term of the Brier score in ten equal bins minus its variance over units, so that perfect
probabilities get 0 on average (Ferro and Fricker 2012). Classes are weighted to the prior for which the probabilities
are made; with the data's own shares, errors in one direction could look like calibration.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from uncia_training.fitting.intervals import OUTSIDE, Interval
from uncia_training.fitting.resampling import Dealt, Numbers

BINS = 10
NAMES = (
    "brier",
    "reliability",
    "reliability_interval",
    "resolution",
    "expected_calibration_error",
    "expected_calibration_error_interval",
)


@dataclass(frozen=True)
class Reliability:
    """The reliability of one deal, in units of the Brier score; `variance` is the variance of `value`."""

    value: float
    variance: float
    brier: float


def reliability(dealt: Dealt, prior: float) -> dict[str, Any]:
    """The documented content of `calibration` without bins: means over the deals; None if there is only one class."""
    content: dict[str, Any] = {"prior": prior}
    if not dealt.has_both:
        return content | dict.fromkeys(NAMES)
    each = [_of_deal(dealt, scores, prior) for scores in dealt.scores]
    value, brier = float(np.mean([one.value for one in each])), float(np.mean([one.brier for one in each]))
    spread = np.sqrt(np.mean([one.variance for one in each]) + np.var([one.value for one in each]))
    reach = float(student.ppf(1 - OUTSIDE, max(len(np.unique(dealt.units)) - 1, 1)) * spread)
    span: Interval = (value - reach, value + reach)
    return content | {
        "brier": brier,
        "reliability": value,
        "reliability_interval": span,
        "resolution": value + prior * (1 - prior) - brier,
        "expected_calibration_error": _signed_root(value),
        "expected_calibration_error_interval": (_signed_root(span[0]), _signed_root(span[1])),
    }


def bins(dealt: Dealt, prior: float) -> list[dict[str, Any]]:
    """For each non-empty bin: the number of pictures (mean over deals), mean probability, and share of positives."""
    if not dealt.has_both:
        return []
    weights = np.tile(_class_weights(dealt.truth, prior), len(dealt.scores))
    said, true = dealt.scores.ravel(), np.tile(dealt.truth, len(dealt.scores))
    number = bin_numbers(said)
    return [
        {
            "from": index / BINS,
            "n": round(int(inside.sum()) / len(dealt.scores)),
            "said": float(np.average(said[inside], weights=weights[inside])),
            "true": float(np.average(true[inside], weights=weights[inside])),
        }
        for index in range(BINS)
        if (inside := number == index).any()
    ]


def bin_numbers(given: Numbers) -> NDArray[np.intp]:
    """The number of the bin, of ten equal ones, of each probability."""
    return np.minimum((given * BINS).astype(np.intp), BINS - 1)


def _class_weights(truth: NDArray[np.bool_], prior: float) -> Numbers:
    """Weights that sum to 1; those of the positives sum to the prior."""
    return np.where(truth, prior / truth.sum(), (1 - prior) / (~truth).sum())


def _of_deal(dealt: Dealt, scores: Numbers, prior: float) -> Reliability:
    truth, weights = dealt.truth, _class_weights(dealt.truth, prior)
    inside = bin_numbers(scores)[:, np.newaxis] == np.arange(BINS)
    inside = inside[:, inside.any(axis=0)]
    share = weights @ inside
    terms = inside * (scores - truth)[:, np.newaxis]
    gap = weights @ terms
    about = np.where(truth[:, np.newaxis], terms[truth].mean(axis=0), terms[~truth].mean(axis=0))
    covariance = _covariance(weights[:, np.newaxis] * (terms - about), dealt.units)
    scaled = covariance / share  # the covariance of the gaps, each divided by its bin's share
    noise = float(np.trace(scaled @ scaled))
    pull = max(0.0, float(gap / share @ covariance @ (gap / share)) - noise)
    value = float((gap**2 / share).sum() - np.trace(scaled))
    return Reliability(value, 2 * noise + 4 * pull, float(weights @ (scores - truth) ** 2))


def _covariance(terms: Numbers, units: NDArray[np.intp]) -> Numbers:
    """The covariance of sums over units, because only units are independent."""
    names, unit = np.unique(units, return_inverse=True)
    sums = np.zeros((len(names), terms.shape[1]))
    np.add.at(sums, unit, terms)
    result: Numbers = sums.T @ sums * (len(names) / max(len(names) - 1, 1))
    return result


def _signed_root(value: float) -> float:
    return float(np.sign(value) * np.sqrt(abs(value)))
