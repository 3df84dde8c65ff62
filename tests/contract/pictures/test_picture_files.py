"""Which files have the names of pictures, and how names are printed."""

from pathlib import Path

import pytest

from uncia_contract.pictures.picture_files import (
    JPEG_SUFFIXES,
    PICTURE_SUFFIXES,
    folders_below,
    is_in_skipped_folder,
    is_picture,
    printable,
)


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


SKIPPED = (".Trashes", ".Trash-1000", "$RECYCLE.BIN", "$Recycle.Bin", ".dtrash", "@eaDir", ".thumbnails", "lost+found")
SKIPPED += ("System Volume Information", ".hidden", "#recycle")


@pytest.mark.parametrize("name", SKIPPED)
def test_deleted_pictures_and_thumbnails_lie_in_folders_that_are_never_entered(tmp_path: Path, name: str) -> None:
    """At any depth, with everything below them."""
    (tmp_path / "ridge" / name / "501").mkdir(parents=True)
    assert set(folders_below(tmp_path)) == {tmp_path, tmp_path / "ridge"}
    assert is_in_skipped_folder(f"ridge/{name}/501/1.jpg")


def test_a_folder_that_is_asked_for_is_entered_whatever_its_name(tmp_path: Path) -> None:
    """A hidden folder that the user gives is read; a link to a folder is not followed."""
    (tmp_path / ".mine" / "a").mkdir(parents=True)
    (tmp_path / ".mine" / "link").symlink_to(tmp_path)
    assert set(folders_below(tmp_path / ".mine")) == {tmp_path / ".mine", tmp_path / ".mine" / "a"}


def test_bytes_that_are_not_utf_8_are_escaped() -> None:
    """Old cards name files in a code page; tables and logs are UTF-8."""
    assert printable(b"caf\xe9.JPG".decode(errors="surrogateescape")) == "caf\\xe9.JPG"
