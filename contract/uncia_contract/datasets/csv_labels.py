"""Reads and writes labelled pictures as CSV.

Columns `file` and `label` are required; `sequence`, `location`, `datetime`, `source` and `split` are optional and empty
where absent; other columns are ignored. `file` is relative to the CSV. Rows with split `test` or `tune` are for
evaluation only. Rows without a label (in a survey that is not fully labelled yet) are left out and counted. An error
names the line.
"""

import codecs
import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from uncia_contract.errors import DataError
from uncia_contract.files import storage_errors
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture

Row = dict[str, str]

REQUIRED = ("file", "label")
OPTIONAL = ("sequence", "location", "datetime", "source", "split")
_START_BYTES = 64
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_UNPACK = "a packed file; unpack it, and give the folder, the CSV or the JSON that is in it"
_NO_TABLES = {
    b"PK\3\4": f"{_UNPACK}; save a spreadsheet as CSV UTF-8",
    b"\x1f\x8b": _UNPACK,
    b"7z\xbc\xaf": _UNPACK,
    b"Rar!": _UNPACK,
    b"\xd0\xcf\x11\xe0": "a spreadsheet; save it as CSV UTF-8",
}


def read_labels(labels_csv: Path, notes: PictureNotes | None = None) -> list[LabelledPicture]:
    """The labelled rows of a CSV in its order, including test rows; `notes` receives the number of unlabelled rows.

    Raises:
        DataError: the file is missing, empty, not UTF-8, lacks a column or has no labels; a line has no file, more
            cells than the header, or the file of an earlier line.
    """
    pictures = list(_pictures(labels_csv))
    if not pictures:
        raise DataError(f"{labels_csv}: no rows; expected one line per picture below the header file,label")
    labelled = [picture for picture in pictures if picture.label]
    if not labelled:
        raise DataError(f"{labels_csv}: label is empty in each of {len(pictures)} rows; fill it in")
    if notes is not None:
        notes.left_out[LeftOut.UNLABELLED] += len(pictures) - len(labelled)
    return labelled


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Each row of a CSV with its file and line (for messages); `columns` are required.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or lacks a column; a line has more cells than the header, or
            ends before a required column.
    """
    try:
        with path.open("rb") as stream:
            _check_start(path, stream.read(_START_BYTES))
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, strict=True)
            _check_header(path, list(rows.fieldnames or []), columns)
            for row in rows:
                yield f"{path}, line {rows.line_num}", _cells(row, f"{path}, line {rows.line_num}", columns)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; expected a CSV with columns {','.join(columns)}, a folder for each label, COCO "
            "Camera Traps JSON or a Camtrap DP package"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 CSV ({error}); save it as CSV UTF-8") from error


def write_labels(labels_csv: Path, pictures: Iterable[LabelledPicture]) -> None:
    """Write the pictures as a CSV with full paths, so that the CSV can be moved.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(labels_csv), labels_csv.open("w", encoding="utf-8", newline="") as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow((*REQUIRED, *OPTIONAL))
        for picture in pictures:
            cells = [getattr(picture, name) for name in (*REQUIRED[1:], *OPTIONAL)]
            rows.writerow((picture.path.resolve(), *cells))


def _check_start(labels_csv: Path, start: bytes) -> None:
    """Check the first bytes of a file.

    Raises:
        DataError: it is packed, a spreadsheet, or text in UTF-16; the message says what to do.
    """
    for begin, remedy in _NO_TABLES.items():
        if start.startswith(begin):
            raise DataError(f"{labels_csv}: {remedy}")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise DataError(f"{labels_csv}: text in UTF-16, expected UTF-8; save it as CSV UTF-8")


def _pictures(labels_csv: Path) -> Iterator[LabelledPicture]:
    first: dict[str, str] = {}
    for where, row in table_rows(labels_csv, REQUIRED):
        picture = _picture(labels_csv.parent, row, where)
        earlier = first.setdefault(os.path.normpath(picture.file), where)
        if earlier != where:
            line = earlier.rpartition(" ")[2]
            raise DataError(f"{where}: {picture.file} was already named in line {line}; keep one of the two")
        yield picture


def _check_header(labels_csv: Path, columns: list[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in columns]
    if missing:
        got, expected = ",".join(columns) or "nothing", ",".join(required)
        hint = _separator_hint(columns)
        raise DataError(
            f"{labels_csv}, line 1: no column {' or '.join(missing)}; expected {expected}[,...], got {got}{hint}"
        )
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise DataError(f"{labels_csv}, line 1: column {', '.join(doubled)} appears twice; keep one of the two")


def _separator_hint(columns: list[str]) -> str:
    """Advice for a header of one cell that has another separator; else ""."""
    for separator, name in _SEPARATORS.items():
        if len(columns) == 1 and separator in columns[0]:
            return f"; its cells are separated by {name}, expected commas: save it as CSV UTF-8 with commas"
    return ""


def _cells(row: dict[str | None, str | list[str] | None], where: str, columns: Sequence[str]) -> Row:
    if None in row:
        raise DataError(f"{where}: more cells than the header has columns; put commas inside a cell in double quotes")
    if missing := next((name for name in columns if row[name] is None), None):
        raise DataError(f"{where}: ends before column {missing}; complete it or delete the line")
    return {name: value.strip() if isinstance(value, str) else "" for name, value in row.items() if name is not None}


def _picture(folder: Path, row: Row, where: str) -> LabelledPicture:
    cells = {name: row.get(name, "") for name in (*REQUIRED, *OPTIONAL)}
    if not cells["file"]:
        raise DataError(f"{where}: file is empty; fill it in or delete the line")
    if "\0" in cells["file"]:
        raise DataError(f"{where}: file holds a NUL character; write a path relative to the CSV")
    file, label, sequence, location, datetime, source, split = cells.values()
    return LabelledPicture(file, folder / file, label, sequence, location, datetime, source, split)
