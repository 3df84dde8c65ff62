"""Counts the days of the traps of a data set, from the times of their pictures.

The number is known only if every picture has a location and every location has a picture with a time. A trap's days are
all days from its first picture to its last, including those without pictures.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, tzinfo

from uncia_contract.datasets.timed_sequences import taken_at
from uncia_contract.runs.labels import LabelledPicture


def trap_days(pictures: Iterable[LabelledPicture], zone: tzinfo = UTC) -> int | None:
    """The sum of the days of all places, by EXIF times, else the data set's; None if it is not known."""
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for picture in pictures:
        if not picture.location:
            return None
        at = taken_at(picture, zone)
        days[picture.source, picture.location].update([at.date()] if at else [])
    if not days or not all(days.values()):
        return None
    return sum((max(seen) - min(seen)).days + 1 for seen in days.values())
