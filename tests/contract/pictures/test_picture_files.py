"""Which files are called like pictures, and how their names are written."""

import pytest

from uncia_contract.pictures.picture_files import JPEG_SUFFIXES, PICTURE_SUFFIXES, is_picture, printable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DCIM/100RECNX/IMG_0001.JPG", True),
        ("trap.7/burst.webp", True),
        ("._IMG_0001.JPG", False),
        ("IMG_0001.JPG.tmp", False),
        ("IMG_0001.AVI", False),
        (".jpg", False),
    ],
    ids=["in capitals", "below a folder with a dot", "a Mac's", "unfinished", "a film", "a suffix alone"],
)
def test_a_picture_is_known_by_its_name(name: str, expected: bool) -> None:
    assert is_picture(name) is expected


def test_jpegs_are_pictures() -> None:
    assert JPEG_SUFFIXES < PICTURE_SUFFIXES


def test_bytes_that_are_no_text_are_spelled_out() -> None:
    """A card of the eighties names files in a code page; tables and logs are UTF-8."""
    assert printable(b"caf\xe9.JPG".decode(errors="surrogateescape")) == "caf\\xe9.JPG"
