"""Logistic regression on features that do not fit into memory: each step of L-BFGS reads the stored rows in chunks.

It is used for the second-to-last layer of the seed's systems (up to 100,352 features for a picture;
docs/decisions/0006). The objective is scikit-learn's: C times the weighted log loss plus half the squared weights of
standardised features, without the bias. The standardisation is included in the weights, so that a chunk is converted
but not copied again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b

from uncia_training.features.feature_store import StoredRows

Numbers = NDArray[np.float64]
_TINY = 1e-6


def moments(rows: StoredRows) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each feature, float64 (features,); 1 as the deviation of a constant feature."""
    total, squares = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for _, chunk in rows.chunks():
        ones = np.ones(len(chunk), np.float32)  # sums by a matrix product, exact enough for a few hundred rows
        total += ones @ chunk
        np.square(chunk, out=chunk)
        squares += ones @ chunk
    mean = total / len(rows.numbers)
    spread = np.sqrt(np.maximum(squares / len(rows.numbers) - mean**2, 0))
    return mean, np.where(spread < _TINY, 1.0, spread)


def fit_streaming(
    rows: StoredRows,
    labels: NDArray[np.intp],
    weights: Numbers,
    c: float,
    iterations: int = 300,
    tolerance: float = 1e-5,
) -> tuple[Numbers, Numbers]:
    """Weights, float64 (columns, features), for unscaled features, and bias (columns,); one column for two classes.

    Args:
        rows: the features of the training pictures.
        labels: class numbers 0, 1, ... (pictures,).
        weights: the weights of the pictures, (pictures,), including the balance of classes.
        c: the inverse strength of the penalty.
        iterations: the most iterations of L-BFGS; each reads all rows once or twice.
        tolerance: L-BFGS stops if no element of the gradient, divided by c and the sum of weights, exceeds it.
    """
    mean, spread = moments(rows)
    classes = int(labels.max()) + 1
    columns = 1 if classes == 2 else classes
    loss = _objective(rows, labels, weights, c, mean, spread, columns)
    start = np.zeros(columns * (rows.shape[1] + 1))
    best, _, _ = fmin_l_bfgs_b(loss, start, m=10, pgtol=tolerance, factr=10.0, maxiter=iterations)
    scaled = best.reshape(columns, -1)
    folded = scaled[:, :-1] / spread
    return folded, scaled[:, -1] - folded @ mean


def _objective(
    rows: StoredRows,
    labels: NDArray[np.intp],
    weights: Numbers,
    c: float,
    mean: Numbers,
    spread: Numbers,
    columns: int,
) -> Callable[[Numbers], tuple[float, Numbers]]:
    """A function for loss and gradient, divided by c and the sum of weights, so that one tolerance fits any size."""
    per = 1.0 / (c * weights.sum())

    def loss(parameters: Numbers) -> tuple[float, Numbers]:
        scaled = parameters.reshape(columns, -1)
        folded = scaled[:, :-1] / spread
        bias = scaled[:, -1] - folded @ mean
        total, products, sums = 0.0, np.zeros(folded.shape), np.zeros(columns)
        for part, chunk in rows.chunks():
            logits = chunk @ folded.T.astype(np.float32) + bias
            lost, slope = _log_loss(logits, labels[part], weights[part], columns)
            total += lost
            products += slope.T.astype(np.float32) @ chunk
            sums += slope.sum(axis=0)
        gradient = np.hstack([(products - np.outer(sums, mean)) / spread, sums[:, np.newaxis]]) / weights.sum()
        gradient[:, :-1] += per * scaled[:, :-1]
        penalty = 0.5 * per * float(np.square(scaled[:, :-1]).sum())
        return total / float(weights.sum()) + penalty, gradient.reshape(-1)

    return loss


def _log_loss(logits: Numbers, labels: NDArray[np.intp], weights: Numbers, columns: int) -> tuple[float, Numbers]:
    """The weighted log loss, and its derivative by the logits (pictures, columns)."""
    if columns == 1:
        signs = 2.0 * labels - 1
        margins = signs * logits[:, 0]
        lost = np.logaddexp(0, -margins)
        slope = -signs * weights * np.exp(-np.logaddexp(0, margins))
        return float(weights @ lost), slope[:, np.newaxis]
    top = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) + top
    slope = np.exp(logits - log_sum)
    lost = (log_sum - logits[np.arange(len(labels)), labels][:, np.newaxis])[:, 0]
    slope[np.arange(len(labels)), labels] -= 1
    return float(weights @ lost), slope * weights[:, np.newaxis]
