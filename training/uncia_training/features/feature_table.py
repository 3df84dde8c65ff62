"""Writes features as Parquet: a row for each crop, in the data set's order, with sequences together.

The columns: `number` (of the picture in that order), `file`, the data set's fields, `view` (`whole` or `region`) with
the region's box in fractions, `content` (the file's sha256), `features`, `failure`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.files import replacing
from uncia_training.features.feature_rows import FeatureRow

TEXTS = ("file", "label", "sequence", "location", "source", "split")
BOX = ("left", "top", "width", "height")


def feature_schema() -> Any:
    """The pyarrow schema of the file."""
    import pyarrow as pa

    return pa.schema(
        [
            ("number", pa.int64()),
            *[(name, pa.string()) for name in (*TEXTS, "view")],
            *[(name, pa.float64()) for name in BOX],
            ("content", pa.string()),
            ("features", pa.list_(pa.float32())),
            ("failure", pa.string()),
        ]
    )


def feature_columns(rows: Sequence[FeatureRow]) -> dict[str, list[Any]]:
    """The values of all columns except `features`."""
    return {
        "number": [row.number for row in rows],
        **{name: [getattr(row.picture, name) for row in rows] for name in TEXTS},
        "view": [row.view for row in rows],
        **{name: [getattr(row.region, name) if row.region else None for row in rows] for name in BOX},
        "content": [row.content for row in rows],
        "failure": [row.failure for row in rows],
    }


class FeatureTable:
    """Writes a Parquet file by row groups; the file gets its name when it is complete."""

    def __init__(self, path: Path) -> None:
        """Begin the file, under a temporary name."""
        import pyarrow.parquet as pq

        path.parent.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        stream = self._open.enter_context(replacing(path))
        self._writer = self._open.enter_context(pq.ParquetWriter(stream, feature_schema()))

    def __enter__(self) -> "FeatureTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._open.__exit__(kind, error, tb)

    def write(self, rows: Sequence[FeatureRow], values: NDArray[np.float32]) -> None:
        """Write one row group.

        Args:
            rows: the rows, in order.
            values: the features of the rows that did not fail, float32 (rows, features).
        """
        import pyarrow as pa

        there = np.array([row.failure is None for row in rows])
        ends = np.cumsum(np.where(there, values.shape[1] if values.size else 0, 0), dtype=np.int32)
        features = pa.ListArray.from_arrays(
            pa.array(np.concatenate([[0], ends]).astype(np.int32)),
            pa.array(np.ascontiguousarray(values, np.float32).reshape(-1)),
            mask=pa.array(~there),
        )
        columns: dict[str, Any] = feature_columns(rows) | {"features": features}
        self._writer.write_table(pa.table([columns[name] for name in feature_schema().names], schema=feature_schema()))
