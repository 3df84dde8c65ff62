"""A head fitted on features in Parquet: which rows are learnt from, and what their classes are.

Decides that rows of splits `test` and `tune`, without label or without features are left out, and that class 0 is
everything that is not asked for. scikit-learn fits here, Spark ML in `spark_fit`: the same penalty, the same balance of
classes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uncia_contract.datasets.positive_labels import NEGATIVE, check_labels
from uncia_contract.errors import DataError
from uncia_contract.runs.labels import NEVER_LEARNT
from uncia_training.fitting.logistic import Features, Labels, Linear, fit_linear


def classes_of(positive: Sequence[str]) -> tuple[str, ...]:
    """The classes in order."""
    return (NEGATIVE, *positive)


def fit_parquet(path: Path, positive: Sequence[str], c: float) -> tuple[Linear, int]:
    """scikit-learn's fit on all rows, in memory; and how many rows that were.

    Raises:
        DataError: not such a file, or a class without rows.
    """
    features, labels = read_rows(path, positive)
    check_classes(np.bincount(labels, minlength=len(positive) + 1).tolist(), positive, str(path))
    return fit_linear(features, labels, c), len(labels)


def read_rows(path: Path, positive: Sequence[str]) -> tuple[Features, Labels]:
    """float32 (rows, features) and the class of each, of what is learnt from.

    Raises:
        DataError: not a Parquet file of `uncia-train features`; a label that differs from a positive one only in
            writing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    columns = ["features", "label"]
    try:
        data = ds.dataset(path, format="parquet")
        learnt = ~pc.utf8_lower(ds.field("split")).isin(NEVER_LEARNT)
        chosen = ds.field("failure").is_null() & learnt & (ds.field("label") != "")
        table = data.to_table(columns=columns, filter=chosen).combine_chunks()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: no features ({reason}); make them with uncia-train features") from error
    lists = table["features"].combine_chunks() if table.num_rows else pa.array([], pa.list_(pa.float32()))
    numbers = {name: index for index, name in enumerate(classes_of(positive))}
    check_labels(((label, str(path)) for label in table["label"].unique().to_pylist()), positive)
    labels = np.array([numbers.get(label, 0) for label in table["label"].to_pylist()], np.intp)
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(labels), -1) if len(labels) else np.empty((0, 0), np.float32), labels


def check_classes(counts: Sequence[int], positive: Sequence[str], where: str) -> None:
    """Refuses a class without rows.

    Raises:
        DataError: which.
    """
    empty = [name for name, count in zip(classes_of(positive), counts, strict=True) if not count]
    if empty:
        raise DataError(f"{where}: no rows of {', '.join(empty)} to learn from")
