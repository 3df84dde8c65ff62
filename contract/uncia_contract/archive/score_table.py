"""Writes scores as CSV: one line a picture, for programs that join tables.

Decides columns and their order. Empty fields mean unknown; times are ISO 8601, without an offset where the zone is not
known; boxes are fractions; `probabilities` is a JSON object, each positive label's mean over the sequence, empty where
there is one label; `test` is true for a test sighting, else empty. Texts are exact: a name is the name that the file
has.
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
    """Write the table; how many pictures it has.

    Args:
        stream: wants `newline=""`.
        pictures: in the order of the lines.
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
    """Each label's probability as a JSON object, the likeliest first; None where there is none."""
    if not probabilities:
        return None
    likeliest_first = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
    return json.dumps({label: round(probabilities[label], 6) for label in likeliest_first}, ensure_ascii=False)


def _field(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value
