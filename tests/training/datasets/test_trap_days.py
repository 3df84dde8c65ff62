"""The number of days that the traps of a data set stood."""

import dataclasses
import sys
from pathlib import Path

import pytest

from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.trap_days import trap_days

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import picture


def at(place: str, time: str, name: str = "absent.jpg") -> LabelledPicture:
    """A picture whose time is given by the data set."""
    return LabelledPicture(name, Path(name), "fox", location=place, datetime=time)


@pytest.mark.parametrize(
    ("pictures", "days"),
    [
        ([at("a", "2026-03-01T10:00:00")], 1),
        ([at("a", "2026-03-01T23:59:00"), at("a", "2026-03-04T00:01:00")], 4),
        ([at("a", "2026-03-01T10:00:00"), at("b", "2026-05-01T10:00:00"), at("b", "2026-05-02T10:00:00")], 3),
        ([at("a", "2026-03-01T10:00:00"), at("a", "")], 1),
        ([at("a", "2026-03-01T10:00:00"), at("b", "")], None),
        ([at("a", "2026-03-01T10:00:00"), at("", "2026-03-01T10:00:00")], None),
        ([], None),
    ],
    ids=["one", "with the quiet ones between", "two places", "one time is enough", "no time", "no place", "nothing"],
)
def test_days_are_counted_from_the_first_picture_to_the_last(pictures: list[LabelledPicture], days: int | None) -> None:
    """For each place."""
    assert trap_days(pictures) == days


def test_ids_of_places_are_unique_only_within_a_source() -> None:
    """Two traps of one day each are not one trap of two months."""
    one = at("1", "2026-03-01T10:00:00")
    other = dataclasses.replace(one, source="other", datetime="2026-05-01T10:00:00")
    assert trap_days([one, other]) == 2


def test_the_exif_time_is_used_before_the_data_sets(tmp_path: Path) -> None:
    """EXIF says March 1st."""
    picture(tmp_path / "a.jpg", 1, 0)
    taken = dataclasses.replace(at("a", "2026-02-01T10:00:00"), path=tmp_path / "a.jpg")
    assert trap_days([taken, at("a", "2026-03-03T10:00:00")]) == 3
