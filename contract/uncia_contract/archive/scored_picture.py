"""`ScoredPicture`: one scored picture, as the collector's exports, archive scoring and evaluation write it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureSum


@dataclass(frozen=True)
class ScoredPicture:
    """A picture, its score and its sequence's verdict.

    Attributes:
        file: relative path with forward slashes.
        label: the sequence's likeliest positive label.
        score: the picture's probability in [0, 1] of all positive labels together; None where it was not scored.
        region: the part that was scored: (left, top, width, height), fractions of the oriented picture; None for all.
        failure: why the picture could not be scored; None where it could.
        trap: the trap's name, "" where it is not known.
        sequence: the sequence's name.
        taken_at: when it was taken, without a zone where none is known; None where the time is not known.
        confidence: the sequence's confidence in [0, 1], the number that decided.
        threshold: the confidence from which on a sequence is positive.
        positive: the sequence's verdict.
        damaged: what is wrong with a picture that was scored although it is damaged.
        probabilities: each positive label's mean over the sequence; None where the bundle has one label.
        test: whether the picture belongs to a test sighting.
    """

    file: str
    label: str = ""
    score: float | None = None
    region: tuple[float, float, float, float] | None = None
    failure: str | None = None
    trap: str = ""
    sequence: str = ""
    taken_at: datetime | None = None
    confidence: float | None = None
    threshold: float | None = None
    positive: bool | None = None
    damaged: str | None = None
    probabilities: dict[str, float] | None = None
    test: bool = False


def sum_of(pictures: Iterable[ScoredPicture], left_out: Mapping[LeftOut, int]) -> PictureSum:
    """Counts of the scored pictures and, from `left_out`, of the files that were left out, by reason."""
    used = failed = without_time = 0
    for picture in pictures:
        failed += picture.failure is not None
        used += picture.failure is None
        without_time += picture.failure is None and picture.taken_at is None
    return PictureSum(used, failed, left_out, without_time)
