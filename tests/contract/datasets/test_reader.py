"""A data set by its path: a folder for each label."""

from pathlib import Path

from PIL import Image

from uncia_contract.datasets.reader import read_data


def jpeg(path: Path) -> None:
    """A small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), (90, 120, 60)).save(path)


def test_folders_are_labels(tmp_path):
    """A folder a label, files named relative to the data set."""
    jpeg(tmp_path / "cat" / "hill" / "1.jpg")
    jpeg(tmp_path / "dog" / "2.JPG")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/hill/1.jpg", "cat"), ("dog/2.JPG", "dog")]


def test_a_folder_of_a_label_may_hold_other_formats(tmp_path):
    """PNG, TIFF and WebP; what is called a picture and cannot be read is named by whoever opens it."""
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


def test_deleted_pictures_and_thumbnails_are_no_labels(tmp_path):
    """Nor pictures of a label; nor are a Mac's hidden files."""
    for name in ("cat/1", "cat/._1", "cat/@eaDir/2", ".dtrash/3", "$RECYCLE.BIN/4", "System Volume Information/5"):
        jpeg(tmp_path / f"{name}.jpg")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/1.jpg", "cat")]
