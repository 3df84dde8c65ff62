"""Writes scores as CSV: one line a picture, for programs that join tables.

Decides the columns and their order. An empty field means unknown. Times are ISO 8601, without an offset where the zone
is not known. Boxes are fractions of the picture. `probabilities` is a JSON object with each positive label's mean over
the sequence; it is empty where the bundle has one label. `test` is true for a test sighting, else empty. File names are
written unchanged.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from typing import TextIO

from uncia_contract.archive.scored_picture import ScoredPicture

COLUMNS = (
    *("file", "trap", "sequence", "datetime", "label", "score"),
    *("left", "top", "width", "height"),
    *("confidence", "threshold", "positive", "failure", "damaged", "probabilities", "test"),
)


def write_score_table(stream: TextIO, pictures: Iterable[ScoredPicture]) -> int:
    """Write the table, and return the number of pictures.

    Args:
        stream: a text stream opened with `newline=""`.
        pictures: the pictures, in the order of the lines.
    """
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    count = 0
    for count, picture in enumerate(pictures, start=1):  # noqa: B007
        writer.writerow(map(_field, _row(picture)))
    return count


def _row(picture: ScoredPicture) -> list[object]:
    taken_at = None if picture.taken_at is None else picture.taken_at.isoformat()
    region = picture.region or (None,) * 4
    decided = (picture.confidence, picture.threshold, picture.positive, picture.failure, picture.damaged)
    of_each = label_text(picture.probabilities)
    named = (picture.file, picture.trap, picture.sequence, taken_at, picture.label, picture.score)
    return [*named, *region, *decided, of_each, True if picture.test else None]


def label_text(probabilities: Mapping[str, float] | None) -> str | None:
    """Each label's probability as a JSON object, the likeliest first; None for no probabilities."""
    if not probabilities:
        return None
    likeliest_first = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
    return json.dumps({label: round(probabilities[label], 6) for label in likeliest_first}, ensure_ascii=False)


def _field(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value
