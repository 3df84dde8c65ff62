"""The counts of found, used, failed and left-out pictures, and their lines."""

from collections import Counter
from pathlib import Path

import pytest
from tests.contract.pictures.render_card import LINES, NOT_COUNTED, SUM, card

from uncia_contract.archive.visits import archive_of
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import LeftOut, folders_below, left_out, left_out_below
from uncia_contract.pictures.picture_sum import PictureSum


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("IMG_0001.JPG", None),
        ("IMG_0001.png", None),
        ("MVI_0001.AVI", "video"),
        ("GH010001.MP4", "video"),
        ("DSC_0001.NEF", "raw"),
        ("IMG_0001.cr3", "raw"),
        ("P1000001.RW2", "raw"),
        ("IMG_0001.DNG", "raw"),
        ("IMG_0001.HEIC", "heic"),
        ("IMG_0001.avif", "heic"),
        ("IMG_0001.jxl", "other_format"),
        (".IMG_0001.jpg", "hidden"),
        (".MVI_0001.mp4", "hidden"),
        (".jpg", None),
        *((name, None) for name in NOT_COUNTED),
    ],
)
def test_a_name_tells_why_a_file_is_left_out(name: str, reason: str | None) -> None:
    """#1 and #2 of picture_files."""
    assert left_out(name) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a/.Trashes/1/x.JPG", "hidden"), ("@Recently-Snapshot/a/x.JPG", None), ("a/x.mov", "video"), ("a/x.JPG", None)],
)
def test_a_path_at_an_address_gives_the_reason_too(name: str, reason: str | None) -> None:
    """There are no folders to list, only names."""
    assert left_out_below(name) == reason


def test_a_walk_reports_every_file_that_it_leaves_out(tmp_path: Path) -> None:
    """Once each; snapshots of a storage box are not counted (#3), a linked folder counts as one (#4)."""
    told: Counter[LeftOut] = Counter()
    list(folders_below(card(tmp_path), tell=lambda path, reason: told.update([reason])))
    assert told == Counter({**SUM["left_out"], "linked_folder": 1})


def test_a_link_to_itself_does_not_stop_its_folder(tmp_path: Path) -> None:
    """The pictures beside it are read."""
    archive = archive_of(card(tmp_path))
    assert (archive.notes.unreadable, archive.pictures) == ([], 9)


def test_a_folder_of_videos_alone_is_told_as_such(tmp_path: Path) -> None:
    """`No pictures` alone would be misleading."""
    for name in ("1.AVI", "2.AVI", "3.heic"):
        (tmp_path / name).write_bytes(b"...")
    with pytest.raises(DataError, match=r"no pictures; expected .* \(left out: 2 videos, 1 HEIC\)"):
        archive_of(tmp_path)


def test_found_is_used_and_failed_and_left_out() -> None:
    """In the JSON as in the text."""
    counts = {LeftOut(name): count for name, count in {**SUM["left_out"], **SUM["folders_not_read"]}.items()}
    told = PictureSum(4, 4, counts, 1)
    assert (told.as_json(), told.lines()) == (SUM, LINES)


def test_a_card_without_trouble_is_told_in_a_few_words() -> None:
    """Without brackets and without a second line."""
    assert PictureSum(1, 0, {}, 0).lines() == ["1 picture found: 1 used, 0 failed, 0 left out"]
