"""Writes the results of a scored archive, picture by picture: a table, MegaDetector JSON and Parquet.

Decides the files' names and Parquet's columns; CSV and JSON are the contract's. A file gets its name when it is whole.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from uncia_contract.archive.megadetector import write_megadetector
from uncia_contract.archive.score_table import label_text, write_score_table
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.files import replacing, storage_errors
from uncia_contract.model.bundle import Bundle
from uncia_contract.pictures.picture_sum import PictureSum

CSV, JSON, PARQUET = "scores.csv", "scores.json", "scores.parquet"
FORMATS = ("csv", "json", "parquet")
ROWS = 10_000  # rows of a row group, and at most in memory


def write_results(
    out: Path,
    pictures: Iterable[ScoredPicture],
    bundle: Bundle,
    completed_at: datetime,
    formats: Iterable[str],
    zoned: bool = True,
    summed: PictureSum | None = None,
) -> list[Path]:
    """Writes the files of these formats; their paths.

    Args:
        out: the folder of the files.
        pictures: the scored pictures; iterated several times.
        bundle: the bundle that scored them.
        completed_at: when the scoring ended.
        formats: some of `FORMATS`.
        zoned: whether the zone of the times is known.
        summed: the sum of these pictures, for the JSON.

    Raises:
        StorageError: a file cannot be written.
    """
    name = f"{bundle.manifest.name}-{bundle.manifest.version}"
    threshold = bundle.manifest.decision_rule.threshold
    writers: dict[str, tuple[str, Callable[[BinaryIO], object]]] = {
        "csv": (CSV, lambda out: _text(out, lambda text: write_score_table(text, pictures), newline="")),
        "json": (
            JSON,
            lambda out: _text(
                out, lambda text: write_megadetector(text, pictures, name, completed_at, threshold, summed)
            ),
        ),
        "parquet": (PARQUET, lambda out: write_parquet(out, pictures, zoned)),
    }
    return [_whole(out / writers[one][0], writers[one][1]) for one in FORMATS if one in set(formats)]


def write_parquet(out: BinaryIO | Path, pictures: Iterable[ScoredPicture], zoned: bool = True) -> None:
    """Writes one row per picture, in row groups of 10,000; `zoned` as in `score_schema`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = score_schema(zoned)
    with pq.ParquetWriter(out, schema) as writer:
        for rows in _batches(score_row(picture, zoned) for picture in pictures):
            writer.write_table(pa.Table.from_pylist(rows, schema))


def score_schema(zoned: bool = True) -> Any:
    """Parquet's columns as a pyarrow schema: those of the table, with boxes as fractions.

    Times are in UTC; if no zone is known (`zoned` is false), they are those of the cameras' clocks, without a zone.
    """
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("file", "trap", "sequence")]
    numbers = [(name, pa.float64()) for name in ("score", "left", "top", "width", "height", "confidence", "threshold")]
    return pa.schema(
        [
            *texts,
            ("datetime", pa.timestamp("us", "UTC" if zoned else None)),
            ("label", pa.string()),
            *numbers,
            ("positive", pa.bool_()),
            ("failure", pa.string()),
            ("damaged", pa.string()),
            ("probabilities", pa.string()),
        ]
    )


def score_row(picture: ScoredPicture, zoned: bool = True) -> dict[str, Any]:
    """A picture as a row of `score_schema`."""
    left, top, width, height = picture.region or (None,) * 4
    taken_at = picture.taken_at
    return {
        **{name: getattr(picture, name) for name in ("file", "trap", "sequence", "label", "score")},
        "datetime": taken_at if zoned or taken_at is None else taken_at.replace(tzinfo=None),
        **{"left": left, "top": top, "width": width, "height": height},
        **{name: getattr(picture, name) for name in ("confidence", "threshold", "positive", "failure", "damaged")},
        "probabilities": label_text(picture.probabilities),
    }


def picture_of_row(row: dict[str, Any]) -> ScoredPicture:
    """The picture from its row; the reverse of `score_row`."""
    region = (row["left"], row["top"], row["width"], row["height"])
    return ScoredPicture(
        **{name: row[name] for name in ("file", "trap", "sequence", "label", "score")},
        region=None if row["left"] is None else region,
        taken_at=row["datetime"],
        **{name: row[name] for name in ("confidence", "threshold", "positive", "failure")},
        damaged=row.get("damaged"),
        probabilities=json.loads(row["probabilities"]) if row.get("probabilities") else None,
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
