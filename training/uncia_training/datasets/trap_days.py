"""For how many days the traps of a data set stood, by the times of their pictures.

Decides when that is known: every picture names its place, and every place has a picture with a time. A trap's days
are those from its first picture to its last, both included, on which nothing came as well.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, tzinfo

from uncia_contract.datasets.timed_sequences import taken_at
from uncia_contract.runs.labels import LabelledPicture


def trap_days(pictures: Iterable[LabelledPicture], zone: tzinfo = UTC) -> int | None:
    """The days of all places together, by EXIF's times, else the data set's; None where they cannot be known."""
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for picture in pictures:
        if not picture.location:
            return None
        at = taken_at(picture, zone)
        days[picture.source, picture.location].update([at.date()] if at else [])
    if not days or not all(days.values()):
        return None
    return sum((max(seen) - min(seen)).days + 1 for seen in days.values())
