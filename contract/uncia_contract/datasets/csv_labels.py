"""Labelled pictures from a CSV, and as one.

Decides what such a file may look like and names the line that does not. Columns `file` and `label` are required;
`sequence`, `location`, `datetime`, `source` and `split` are optional and empty where absent; others are ignored. `file`
is relative to the CSV. Rows with split `test` are for evaluation only.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from uncia_contract.errors import DataError
from uncia_contract.files import storage_errors
from uncia_contract.runs.labels import LabelledPicture

REQUIRED = ("file", "label")
OPTIONAL = ("sequence", "location", "datetime", "source", "split")


def read_labels(labels_csv: Path) -> list[LabelledPicture]:
    """The rows of a CSV, in its order, test rows included.

    Raises:
        DataError: the file is missing, empty, not UTF-8, lacks a column, or a line has no file or label, more cells
            than the header, or a file that an earlier line has.
    """
    try:
        with labels_csv.open(encoding="utf-8-sig", newline="") as text:
            pictures = list(_pictures(labels_csv, text))
    except FileNotFoundError as error:
        raise DataError(f"{labels_csv}: no such file; expected a CSV with columns file,label") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{labels_csv}: cannot be read as UTF-8 CSV ({error}); save it as CSV UTF-8") from error
    if not pictures:
        raise DataError(f"{labels_csv}: no rows; expected one line per picture below the header file,label")
    return pictures


def write_labels(labels_csv: Path, pictures: Iterable[LabelledPicture]) -> None:
    """The same pictures as a CSV that can lie anywhere: files are named by their full path.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(labels_csv), labels_csv.open("w", encoding="utf-8", newline="") as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow((*REQUIRED, *OPTIONAL))
        for picture in pictures:
            cells = [getattr(picture, name) for name in (*REQUIRED[1:], *OPTIONAL)]
            rows.writerow((picture.path.resolve(), *cells))


def _pictures(labels_csv: Path, text: Iterator[str]) -> Iterator[LabelledPicture]:
    rows = csv.DictReader(text, strict=True)
    _check_header(labels_csv, list(rows.fieldnames or []))
    first_line: dict[str, int] = {}
    for row in rows:
        where = f"{labels_csv}, line {rows.line_num}"
        picture = _picture(labels_csv.parent, row, where)
        if picture.file in first_line:
            earlier = first_line[picture.file]
            raise DataError(f"{where}: {picture.file} was already named in line {earlier}; keep one of the two")
        first_line[picture.file] = rows.line_num
        yield picture


def _check_header(labels_csv: Path, columns: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        got = ",".join(columns) or "nothing"
        raise DataError(f"{labels_csv}, line 1: no column {' or '.join(missing)}; expected file,label[,...], got {got}")
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise DataError(f"{labels_csv}, line 1: column {', '.join(doubled)} appears twice; keep one of the two")


def _picture(folder: Path, row: dict[str | None, str | list[str] | None], where: str) -> LabelledPicture:
    if None in row:
        raise DataError(f"{where}: more cells than the header has columns; put commas inside a cell in double quotes")
    cells = {name: _cell(row.get(name)) for name in (*REQUIRED, *OPTIONAL)}
    for name in REQUIRED:
        if not cells[name]:
            raise DataError(f"{where}: {name} is empty; fill it in or delete the line")
    if "\0" in cells["file"]:
        raise DataError(f"{where}: file holds a NUL character; write a path relative to the CSV")
    return LabelledPicture(path=folder / cells["file"], **cells)


def _cell(value: str | list[str] | None) -> str:
    return value.strip() if isinstance(value, str) else ""
