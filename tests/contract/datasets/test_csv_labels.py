"""The CSV of labels: how it is read, and which lines are refused."""

import dataclasses
from pathlib import Path

import pytest

from uncia_contract.datasets.csv_labels import read_labels, write_labels
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_every_known_column_is_read_and_the_path_is_relative_to_the_csv(tmp_path: Path) -> None:
    """`file` stays as written, and `path` is added; unknown columns are ignored."""
    text = "file,label,species,sequence,location,datetime,source,split\na/b.jpg,cat,lynx,s1,ridge,2012-12-31,wcs,test\n"
    assert read_labels(write(tmp_path, text)) == [
        LabelledPicture("a/b.jpg", tmp_path / "a/b.jpg", "cat", "s1", "ridge", "2012-12-31", "wcs", "test")
    ]


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    """Two columns are enough; a byte order mark and blank lines (Excel) are accepted."""
    [picture] = read_labels(write(tmp_path, "\ufefffile,label\r\n\r\nx.jpg,blank\r\n"))
    assert (picture.file, picture.label, picture.sequence, picture.never_learnt) == ("x.jpg", "blank", "", False)


def test_rows_of_the_test_split_are_marked(tmp_path: Path) -> None:
    """Only split `test` keeps a picture from training here."""
    pictures = read_labels(write(tmp_path, "file,label,split\na,x,test\nb,x,train\n"))
    assert [picture.never_learnt for picture in pictures] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column file or label; expected file,label"),
        ("path,label\na,b\n", "line 1: no column file; expected file,label.*got path,label"),
        ("file;label\na;b\n", "line 1: no column file or label.*got file;label; .*by semicolons, expected commas"),
        ("file\tlabel\na\tb\n", "line 1: no column file or label.*by tabs, expected commas"),
        ("Datei;Art\na;b\n", "line 1: no column file or label.*by semicolons"),
        ("file,label,label\na,b,c\n", "line 1: column label appears twice"),
        ("file,label\n", "no rows"),
        ("file,label\na,\nb, \n", "label is empty in each of 2 rows; fill it in"),
        ("file,label\na,b\n,x\n", "line 3: file is empty"),
        ("file,label\na,b\nc\n", "line 3: ends before column label"),
        ("file,label\na,b,c\n", "line 2: more cells than the header"),
        ("file,label\na,b\nc,d\na,b\n", "line 4: a was already named in line 2"),
        ("file,label\na,b\n./a,b\n", "line 3: ./a was already named in line 2"),
        ('file,label\n"a,b\n', "cannot be read as UTF-8 CSV"),
    ],
    ids=[
        "empty file",
        "no file column",
        "semicolons",
        "tabs",
        "semicolons and names of its own",
        "doubled column",
        "header only",
        "no label at all",
        "empty file cell",
        "short line",
        "long line",
        "named twice",
        "named in two ways",
        "open quote",
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Each message says where the fault is and what to do."""
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path, text))


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    """A survey may be labelled in several steps."""
    notes = PictureNotes()
    pictures = read_labels(write(tmp_path, "file,label,sequence\na,fox,1\nb,,1\nc, ,2\nd,blank,2\n"), notes)
    assert ([picture.file for picture in pictures], notes.left_out[LeftOut.UNLABELLED]) == (["a", "d"], 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\na,b\n".encode("utf-16"), "UTF-16, expected UTF-8; save it as CSV UTF-8"),
        ("file,label\na,b\n".encode("utf-16-be"), "UTF-16, expected UTF-8; save it as CSV UTF-8"),
        (b"PK\3\4\x14\0", "a packed file; unpack it, and give the folder.*save a spreadsheet as CSV UTF-8"),
        (b"\x1f\x8b\x08\0", "a packed file; unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "a spreadsheet; save it as CSV UTF-8"),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "zip or xlsx", "gzip", "xls"],
)
def test_a_file_that_is_not_text_is_refused_with_a_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    """Spreadsheets and packed files."""
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as told:
        read_labels(path)
    assert "\n" not in str(told.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """For example Latin-1."""
    path = tmp_path / "labels.csv"
    path.write_bytes(b"file,label\nL\xe9opard.jpg,cat\n")
    with pytest.raises(DataError, match="save it as CSV UTF-8"):
        read_labels(path)


def test_a_missing_csv_is_named(tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(DataError, match="no such file; expected a CSV"):
        read_labels(tmp_path / "nothing.csv")


def test_a_written_csv_is_read_again(tmp_path: Path) -> None:
    """From another folder, with commas and quotes in names; only `file` becomes a full path."""
    (tmp_path / "there").mkdir()
    picture = LabelledPicture('a, "b".jpg', tmp_path / 'a, "b".jpg', "cat", "s1", "ridge", "2012", "wcs", "test")
    write_labels(tmp_path / "there" / "labels.csv", [picture])
    full = str(picture.path)
    assert read_labels(tmp_path / "there" / "labels.csv") == [dataclasses.replace(picture, file=full)]
