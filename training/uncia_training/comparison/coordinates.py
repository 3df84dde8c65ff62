"""Changes coordinates so that a fit on more features than pictures has fewer columns and the same result.

An L2-penalised fit lies in the span of its training rows (the representer theorem), and depends only on their inner
products. The principal coordinates of the Gram matrix have the same inner products, so a fit on them gives the same
probabilities as the fit on the features. For 1,000 pictures, 62,720 features become 1,000 columns, and one matrix
product replaces hundreds of passes. With more than `MOST_ROWS` rows the Gram matrix would be too large: `streaming`.
"""

import numpy as np
from numpy.typing import NDArray

from uncia_training.features.feature_store import StoredRows

MOST_ROWS = 6000
COLUMNS_AT_ONCE = 4096
# Directions with less than this share of the largest eigenvalue are rounding errors (the products are of float32).
_LEAST = 1e-6
_TINY = 1e-6

Coordinates = NDArray[np.float32]


def standardised(train: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[Coordinates, Coordinates]:
    """Both, minus the mean of the training rows and divided by their standard deviation, float32."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread < _TINY, 1.0, spread)
    return ((train - mean) / spread).astype(np.float32), ((others - mean) / spread).astype(np.float32)


def coordinates(train: StoredRows, others: StoredRows) -> tuple[Coordinates, Coordinates]:
    """Standardised training and other rows, float32, with at most as many columns as there are training rows.

    The inner products of training rows with training rows and with the others stay the same (to 1e-3 of their size).
    """
    if train.shape[1] <= len(train.numbers):
        return standardised(train.load(), others.load())
    inner, cross = _products(train, others)
    values, vectors = np.linalg.eigh(inner)
    kept = values > _LEAST * values[-1]
    scale = np.sqrt(values[kept])
    own = vectors[:, kept] * scale
    foreign = cross.T @ (vectors[:, kept] / scale)
    return own.astype(np.float32), foreign.astype(np.float32)


def _products(train: StoredRows, others: StoredRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner products (train, train) and (train, others) of standardised rows, summed over blocks of columns."""
    inner = np.zeros((len(train.numbers), len(train.numbers)))
    cross = np.zeros((len(train.numbers), len(others.numbers)))
    for start in range(0, train.shape[1], COLUMNS_AT_ONCE):
        block = slice(start, start + COLUMNS_AT_ONCE)
        own, foreign = standardised(train.columns(block), others.columns(block))
        inner += own @ own.T
        cross += own @ foreign.T
    return inner, cross
