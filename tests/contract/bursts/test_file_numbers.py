"""A camera's own file numbers: which names have one, and their order."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.bursts.frames import FileNumber, file_number, ranks


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("ridge/DCIM/100MEDIA/IMG_0012.JPG", FileNumber("ridge/DCIM/IMG_", 100, 12)),
        ("ridge/RCNX0007.jpg", FileNumber("ridge/RCNX", 0, 7)),
        ("101_BTCF/sunp9999.jpg", FileNumber("./SUNP", 101, 9999)),
        ("100EK113/03230012.JPG", FileNumber("./", 100, 12)),
        ("20260114.jpg", None),
        ("000.jpg", None),
        ("IMG_20260114_034301.jpg", None),
        ("snow leopard 1.jpg", None),
        ("IMG_0001 (2).jpg", None),
    ],
)
def test_a_number_is_a_cameras_or_none(path: str, number: FileNumber | None) -> None:
    """Eight characters that end in four digits; Bushnell begins with month and day; a date is not a file number."""
    assert file_number(PurePosixPath(path)) == number


def ordered(*names: str) -> list[str]:
    """The files in the order in which their camera wrote them."""
    numbers = {name: file_number(PurePosixPath(name)) for name in names}
    rank = ranks(number for number in numbers.values() if number)
    return sorted(names, key=lambda name: rank[numbers[name]])  # type: ignore[index]


def test_numbers_wrap_within_a_folder_and_go_on_in_the_next() -> None:
    """9999 comes before 1 where the numbers between them are missing."""
    assert ordered("IMG_0001.JPG", "IMG_0002.JPG", "IMG_9998.JPG", "IMG_9999.JPG") == [
        "IMG_9998.JPG", "IMG_9999.JPG", "IMG_0001.JPG", "IMG_0002.JPG",
    ]  # fmt: skip
    assert ordered("101MEDIA/IMG_0001.JPG", "100MEDIA/IMG_9999.JPG")[0] == "100MEDIA/IMG_9999.JPG"


@given(st.sets(st.integers(0, 9999), min_size=1, max_size=40))
def test_every_number_has_its_own_rank(numbers: set[int]) -> None:
    """For any set of numbers."""
    assert len(set(ranks(FileNumber("x", 0, number) for number in numbers).values())) == len(numbers)
