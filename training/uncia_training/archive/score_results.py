"""What is left of a scored archive: a table, MegaDetector JSON and Parquet, written picture by picture.

Decides the files' names and Parquet's columns; CSV and JSON are the contract's. A file appears under its name when it
is whole.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from uncia_contract.archive.megadetector import write_megadetector
from uncia_contract.archive.score_table import write_score_table
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.files import replacing, storage_errors
from uncia_contract.model.bundle import Bundle

CSV, JSON, PARQUET = "scores.csv", "scores.json", "scores.parquet"
FORMATS = ("csv", "json", "parquet")
ROWS = 10_000  # of a row group, and in memory


def write_results(
    out: Path, pictures: Iterable[ScoredPicture], bundle: Bundle, completed_at: datetime, formats: Iterable[str]
) -> list[Path]:
    """Writes the asked-for files; where they are.

    Args:
        out: their folder.
        pictures: can be gone through several times.
        bundle: which decided.
        completed_at: when.
        formats: of `FORMATS`.

    Raises:
        StorageError: a file cannot be written.
    """
    name = f"{bundle.manifest.name}-{bundle.manifest.version}"
    threshold = bundle.manifest.decision_rule.threshold
    writers: dict[str, tuple[str, Callable[[BinaryIO], object]]] = {
        "csv": (CSV, lambda out: _text(out, lambda text: write_score_table(text, pictures), newline="")),
        "json": (
            JSON,
            lambda out: _text(out, lambda text: write_megadetector(text, pictures, name, completed_at, threshold)),
        ),
        "parquet": (PARQUET, lambda out: write_parquet(out, pictures)),
    }
    return [_whole(out / writers[one][0], writers[one][1]) for one in FORMATS if one in set(formats)]


def write_parquet(out: BinaryIO | Path, pictures: Iterable[ScoredPicture]) -> None:
    """A row a picture, in row groups of 10,000."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = score_schema()
    with pq.ParquetWriter(out, schema) as writer:
        for rows in _batches(map(score_row, pictures)):
            writer.write_table(pa.Table.from_pylist(rows, schema))


def score_schema() -> Any:
    """Parquet's columns, as pyarrow calls them: those of the table, boxes as fractions, times in UTC."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("file", "trap", "sequence")]
    numbers = [(name, pa.float64()) for name in ("score", "left", "top", "width", "height", "confidence", "threshold")]
    return pa.schema(
        [
            *texts,
            ("datetime", pa.timestamp("us", "UTC")),
            ("label", pa.string()),
            *numbers,
            ("positive", pa.bool_()),
            ("failure", pa.string()),
        ]
    )


def score_row(picture: ScoredPicture) -> dict[str, Any]:
    """A picture as a row of `score_schema`."""
    left, top, width, height = picture.region or (None,) * 4
    return {
        **{name: getattr(picture, name) for name in ("file", "trap", "sequence", "label", "score")},
        "datetime": picture.taken_at,
        **{"left": left, "top": top, "width": width, "height": height},
        **{name: getattr(picture, name) for name in ("confidence", "threshold", "positive", "failure")},
    }


def picture_of_row(row: dict[str, Any]) -> ScoredPicture:
    """The picture that became such a row."""
    region = (row["left"], row["top"], row["width"], row["height"])
    return ScoredPicture(
        **{name: row[name] for name in ("file", "trap", "sequence", "label", "score")},
        region=None if row["left"] is None else region,
        taken_at=row["datetime"],
        **{name: row[name] for name in ("confidence", "threshold", "positive", "failure")},
    )


def _text(out: BinaryIO, write: Callable[[TextIO], object], newline: str | None = None) -> None:
    text = TextIOWrapper(out, encoding="utf-8", newline=newline)
    write(text)
    text.detach()


def _whole(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    with storage_errors(path, "; what was scored is kept"), replacing(path) as stream:
        write(stream)
    return path


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, ROWS)):
        yield batch
