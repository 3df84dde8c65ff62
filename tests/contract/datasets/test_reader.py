"""A data set given as a folder with a folder for each label."""

from pathlib import Path

import pytest
from PIL import Image

from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_sum import PictureNotes


def jpeg(path: Path) -> None:
    """A small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), (90, 120, 60)).save(path)


def test_folders_are_labels(tmp_path):
    """File names are relative to the data set."""
    jpeg(tmp_path / "cat" / "hill" / "1.jpg")
    jpeg(tmp_path / "dog" / "2.JPG")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/hill/1.jpg", "cat"), ("dog/2.JPG", "dog")]


def test_a_folder_of_a_label_may_hold_other_formats(tmp_path):
    """PNG, TIFF and WebP; a file that cannot be read is reported when it is opened."""
    for name in ("a.png", "b.tif", "c.TIFF", "d.webp", "e.gif"):
        jpeg(tmp_path / "cat" / name)
    (tmp_path / "cat" / "notes.txt").write_text("none")
    assert [one.file for one in read_data(tmp_path)] == [
        "cat/a.png",
        "cat/b.tif",
        "cat/c.TIFF",
        "cat/d.webp",
        "cat/e.gif",
    ]


def test_what_is_left_out_of_folders_is_counted(tmp_path):
    """Videos, raw pictures and HEIC by kind, and pictures beside the labels' folders."""
    jpeg(tmp_path / "cat" / "1.jpg")
    jpeg(tmp_path / "loose.jpg")
    for name in ("cat/2.MP4", "cat/3.CR2", "cat/4.heic", "cat/5.heic"):
        (tmp_path / name).touch()
    notes = PictureNotes()
    assert [one.file for one in read_data(tmp_path, notes=notes)] == ["cat/1.jpg"]
    assert notes.left_out == {"unlabelled": 1, "heic": 2, "video": 1, "raw": 1}


def test_folders_without_pictures_are_refused_with_the_counts(tmp_path):
    """Only a video and pictures outside of label folders."""
    jpeg(tmp_path / "loose.jpg")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/2.MP4").touch()
    with pytest.raises(DataError, match=r"left out: 1 video, 1 without a label\)"):
        read_data(tmp_path)


def test_deleted_pictures_and_thumbnails_are_no_labels(tmp_path):
    """Also within a label's folder; a Mac's hidden files are ignored."""
    for name in ("cat/1", "cat/._1", "cat/@eaDir/2", ".dtrash/3", "$RECYCLE.BIN/4", "System Volume Information/5"):
        jpeg(tmp_path / f"{name}.jpg")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/1.jpg", "cat")]
