"""One scored picture as every writer of results takes it: collector's exports, archive scoring, evaluation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureSum


@dataclass(frozen=True)
class ScoredPicture:
    """A picture and what was thought of it.

    `file` is a relative path with forward slashes. `label` is its sequence's likeliest positive label. `score` is the
    picture's probability in [0, 1] of that label, of all positive labels together where there are several; None where
    early exit spared the picture. `probabilities` holds each positive label's mean over the sequence, None where there
    is one label. `region` is (left, top, width, height) in fractions of the oriented picture, None for all
    of it. `taken_at` has no zone where none is known. `failure` names why it could not be scored at all. `confidence`
    is its sequence's, the number that decided. `damaged` says what is wrong with a picture that was
    scored all the same. `test` marks a picture of a test sighting.
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
    """The sum of scored pictures and of what was left out beside them."""
    used = failed = without_time = 0
    for picture in pictures:
        failed += picture.failure is not None
        used += picture.failure is None
        without_time += picture.failure is None and picture.taken_at is None
    return PictureSum(used, failed, left_out, without_time)
