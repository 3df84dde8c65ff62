"""The same fit in fewer dimensions: an exact change of coordinates for more features than pictures.

An L2-penalised fit lies in the span of its training rows (the representer theorem), and depends on them through their
inner products alone. The Gram matrix' principal coordinates have the same inner products: fitted on them, all
probabilities are those of the fit on the features. For 1,000 pictures that makes 1,000 columns of 62,720 features, and
one product of matrices replaces hundreds of passes. Above `MOST_ROWS` the Gram matrix would be too large: `streaming`.
"""

import numpy as np
from numpy.typing import NDArray

from uncia_training.features.feature_store import StoredRows

MOST_ROWS = 6000
COLUMNS_AT_ONCE = 4096
# Directions that carry less than this share of the largest are rounding (products are summed from float32).
_LEAST = 1e-6
_TINY = 1e-6

Coordinates = NDArray[np.float32]


def standardised(train: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[Coordinates, Coordinates]:
    """Both with the training rows' mean taken away and divided by their standard deviation."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread < _TINY, 1.0, spread)
    return ((train - mean) / spread).astype(np.float32), ((others - mean) / spread).astype(np.float32)


def coordinates(train: StoredRows, others: StoredRows) -> tuple[Coordinates, Coordinates]:
    """Standardised training and other rows in at most as many columns as there are training rows.

    Inner products among training rows, and of the others with them, are kept (to 1e-3 of their size).
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
    """Inner products (train, train) and (train, others) of standardised rows, column block by column block."""
    inner = np.zeros((len(train.numbers), len(train.numbers)))
    cross = np.zeros((len(train.numbers), len(others.numbers)))
    for start in range(0, train.shape[1], COLUMNS_AT_ONCE):
        block = slice(start, start + COLUMNS_AT_ONCE)
        own, foreign = standardised(train.columns(block), others.columns(block))
        inner += own @ own.T
        cross += own @ foreign.T
    return inner, cross
