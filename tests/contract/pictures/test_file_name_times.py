"""Times in file names."""

import pytest

from uncia_contract.pictures.file_name_times import file_name_time

NAMES = [
    "20260114_034301.jpg",
    "2026-01-14 03-43-01.JPG",
    "IMG_20260114_034301.jpg",
    "PICT_2026_01_14_03_43_01.jpg",
    "PXL_20260114_034301123.jpg",
    "ridge 2026-01-14T03:43:01.jpeg",
    "20260114034301.jpg",
    "DCIM/100MEDIA/cam3_20260114-034301_2.jpg",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_time_in_a_name_is_read(name: str) -> None:
    """To the second."""
    assert file_name_time(name) == "2026:01:14 03:43:01"


@pytest.mark.parametrize(
    "name",
    ["20260114.jpg", "IMG_20260114_0343.jpg", "2026-01-14_IMG_0001.jpg", "IMG_0001.JPG", "20261314_034301.jpg",
     "20260114_256101.jpg", "120260114034301.jpg", "2026011403430199999.jpg", "20260114_034301/IMG_0001.jpg", ""],
)  # fmt: skip
def test_a_name_without_a_time_gives_none(name: str) -> None:
    """A date alone, a counter, impossible months and hours, longer numbers, a time in a folder's name."""
    assert file_name_time(name) == ""
