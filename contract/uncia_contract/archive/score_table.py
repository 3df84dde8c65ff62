"""Writes scores as CSV: one line a picture, for spreadsheets and R.

Decides columns and their order. Empty fields mean unknown; times are ISO 8601, without an offset where the zone is not
known; boxes are fractions.
"""

import csv
from collections.abc import Iterable
from typing import TextIO

from uncia_contract.archive.scored_picture import ScoredPicture

COLUMNS = (
    *("file", "trap", "sequence", "datetime", "label", "score"),
    *("left", "top", "width", "height"),
    *("confidence", "threshold", "positive", "failure"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_score_table(stream: TextIO, pictures: Iterable[ScoredPicture]) -> int:
    """Write the table; how many pictures it has. The stream wants `newline=""`."""
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    count = 0
    for count, picture in enumerate(pictures, start=1):  # noqa: B007
        writer.writerow([_field(value) for value in _row(picture)])
    return count


def _row(picture: ScoredPicture) -> list[object]:
    taken_at = None if picture.taken_at is None else picture.taken_at.isoformat()
    region = picture.region or (None,) * 4
    decided = (picture.confidence, picture.threshold, picture.positive, picture.failure)
    return [picture.file, picture.trap, picture.sequence, taken_at, picture.label, picture.score, *region, *decided]


def _field(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front, as spreadsheets do themselves."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
