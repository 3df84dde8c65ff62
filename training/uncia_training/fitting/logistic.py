"""Logistic regression with standardised features, balanced classes and an L2 penalty; and its calibration.

Decides how a head is fitted for a given penalty (`selection` chooses it). The standardisation is included in the
weights, so that the trap needs only one multiplication.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from uncia_contract.model.heads import LogisticHead
from uncia_training.features.feature_store import StoredRows
from uncia_training.fitting.streaming import fit_streaming

Features = NDArray[np.float32]
Labels = NDArray[np.intp]

_TINY = 1e-6  # a feature with a smaller standard deviation counts as constant and is not scaled


@dataclass(frozen=True, eq=False)
class Linear:
    """Logits = features @ weights.T + bias; float64 (classes, features) and (classes,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: Features | StoredRows) -> NDArray[np.float64]:
        """The logits, float64 (pictures, classes), of features (pictures, features)."""
        if isinstance(features, StoredRows):
            parts = [chunk @ self.weights.T + self.bias for _, chunk in features.chunks()]
            return np.concatenate(parts) if parts else np.empty((0, len(self.bias)))
        result: NDArray[np.float64] = features @ self.weights.T + self.bias
        return result


def fit_linear(
    features: Features | StoredRows,
    labels: Labels,
    c: float,
    weights: NDArray[np.float64] | None = None,
    scale_features: bool = True,
    prior: NDArray[np.float64] | None = None,
) -> Linear:
    """Balanced multinomial logistic regression on standardised features.

    Args:
        features: float32 (pictures, features), or stored rows, which are streamed.
        labels: class numbers 0, 1, ... (pictures,).
        c: inverse strength of the L2 penalty, for features of unit variance.
        weights: further weights of the pictures, (pictures,); the classes are balanced anyway.
        scale_features: False to use the features unscaled, for coordinates whose inner products matter.
        prior: the shares of the classes in the field, (classes,); None for equal ones.
    """
    if isinstance(features, StoredRows):
        return Linear(
            *class_rows(*fit_streaming(features, labels, balanced(labels, weights) * class_weights(prior, labels), c))
        )
    shares = _shares(prior, labels)
    if not scale_features:
        model = LogisticRegression(C=c, class_weight=shares, max_iter=2000, tol=1e-5)
        model.fit(features.astype(np.float64), labels, sample_weight=weights)
        return Linear(*class_rows(model.coef_.astype(np.float64), model.intercept_.astype(np.float64)))
    scaler = StandardScaler().fit(features)
    scale = np.where(scaler.scale_ < _TINY, 1.0, scaler.scale_)
    model = LogisticRegression(C=c, class_weight=shares, max_iter=2000, tol=1e-6)
    model.fit((features - scaler.mean_) / scale, labels, sample_weight=weights)
    coefficients, intercept = class_rows(model.coef_, model.intercept_)
    folded = coefficients / scale
    return Linear(folded, intercept - folded @ scaler.mean_)


def class_weights(prior: NDArray[np.float64] | None, labels: Labels) -> NDArray[np.float64]:
    """The weight of each picture that gives balanced classes the shares in `prior`; 1 for equal shares."""
    return np.ones(len(labels)) if prior is None else prior[labels] * len(prior)


def _shares(prior: NDArray[np.float64] | None, labels: Labels) -> str | dict[int, float]:
    """scikit-learn's class weights; its option `balanced` would undo a prior in the samples' weights."""
    if prior is None:
        return "balanced"
    counts = np.bincount(labels, minlength=len(prior))
    return {number: float(share * len(labels) / max(counts[number], 1)) for number, share in enumerate(prior)}


def balanced(labels: Labels, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Weights with which all classes count the same, times `weights`, like scikit-learn's `balanced`."""
    counts = np.bincount(labels)
    even: NDArray[np.float64] = len(labels) / (len(counts) * counts[labels])
    return even if weights is None else even * weights


def class_rows(
    coefficients: NDArray[np.float64], intercept: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and intercept with a row for each class; scikit-learn's one row for two classes is halved."""
    if len(coefficients) > 1:
        return coefficients, intercept
    return np.vstack([-coefficients, coefficients]) / 2, np.array([-intercept[0], intercept[0]]) / 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated logits = slope * logits + offset; `offset` float64 (classes,)."""

    slope: float
    offset: NDArray[np.float64]

    def at(self, prior: NDArray[np.float64] | None) -> "Calibration":
        """This calibration for equal classes, changed to classes with these shares (Bayes' rule); None keeps it."""
        return self if prior is None else Calibration(self.slope, self.offset + np.log(prior * len(prior)))


def calibrate(logits: NDArray[np.float64], labels: Labels) -> Calibration:
    """The calibration that fits held-out logits best, with classes weighted equally (Platt 1999, multinomial).

    `logits` (pictures, classes) must be of pictures that the fit did not learn from. One slope for all classes keeps
    their order. With equal weights the prior of two classes is 1/2, as in the manifest.
    """
    classes = logits.shape[1]
    if classes == 2:
        margin = (logits[:, 1] - logits[:, 0])[:, np.newaxis]
        model = LogisticRegression(C=1e6, class_weight="balanced", max_iter=1000).fit(margin, labels)
        half = float(model.intercept_[0]) / 2
        return Calibration(max(float(model.coef_[0, 0]), 1e-3), np.array([-half, half]))
    return Calibration(_best_slope(logits, labels), np.zeros(classes))


def _best_slope(logits: NDArray[np.float64], labels: Labels) -> float:
    """The slope with the least balanced log loss, found on a fine grid."""
    weights = 1.0 / np.bincount(labels)[labels]
    slopes = np.geomspace(0.1, 10, 81)

    def loss(slope: float) -> float:
        scaled = slope * logits
        top = scaled.max(axis=1)
        log_sum = np.log(np.exp(scaled - top[:, np.newaxis]).sum(axis=1)) + top
        return float(np.average(log_sum - scaled[np.arange(len(labels)), labels], weights=weights))

    return float(min(slopes, key=loss))


def to_head(linear: Linear, calibration: Calibration) -> LogisticHead:
    """The head for a bundle, in float32."""
    return LogisticHead(
        linear.weights.astype(np.float32),
        linear.bias.astype(np.float32),
        calibration.slope,
        calibration.offset.astype(np.float32),
    )
