"""Reads a table of a data package as its entry in `resources` describes it (Frictionless Data Package 1).

`path` gives the table's files (one or a list, also .gz). `encoding` and `dialect` (delimiter, quoteChar, doubleQuote,
escapeChar, skipInitialSpace, commentChar, header) say how they are written; cells are separated by tabs where `format`,
`mediatype` or the file's name says TSV. A schema is used only for the columns of a table without a header.
"""

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from uncia_contract.datasets.package_files import DAMAGED, PackageFiles
from uncia_contract.errors import DataError

_OPTIONS = {
    "delimiter": "delimiter",
    "quoteChar": "quotechar",
    "doubleQuote": "doublequote",
    "escapeChar": "escapechar",
    "skipInitialSpace": "skipinitialspace",
}
_UNREADABLE = (*DAMAGED, UnicodeError, LookupError, csv.Error, TypeError, ValueError)


@dataclass(frozen=True)
class ResourceTable:
    """A table of a package: its files and how they are written."""

    files: PackageFiles
    paths: tuple[str, ...]
    encoding: str
    options: Mapping[str, Any]  # options of csv.reader
    comment: str
    columns: Sequence[str] | None  # the columns of a table without a header, else None

    def where(self, path: str) -> str:
        """A file of the table, for messages."""
        return str(self.files.path / path)

    def rows(self, required: Sequence[str] = ()) -> Iterator[tuple[str, int, dict[str, str]]]:
        """(file, line number, row) of the table, in the order of its files.

        Raises:
            DataError: a file cannot be read, or the table lacks a required column.
        """
        header = self.columns
        for path in self.paths:
            try:
                with self.files.open(path) as stream, _text(stream, path, self.encoding) as text:
                    lines = csv.reader(text, **self.options)
                    for number, cells in self._cells(lines):
                        if header is None or (number == 1 and self.columns is None and set(cells) == set(header)):
                            header = self._header(path, cells, required)
                            continue
                        yield self.where(path), lines.line_num, dict(zip(header, cells, strict=False))
            except DataError:
                raise
            except _UNREADABLE as error:
                raise DataError(f"{self.where(path)}: cannot be read: {error}") from error
        if header is None:
            self._header(self.paths[0], [], required)

    def _cells(self, lines: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
        """The lines that are neither empty nor comments, numbered from 1."""
        number = 0
        for cells in lines:
            if cells and not (self.comment and cells[0].startswith(self.comment)):
                number += 1
                yield number, cells

    def _header(self, path: str, cells: list[str], required: Sequence[str]) -> list[str]:
        names = [name.strip() for name in cells]
        for column in required:
            if column not in names:
                raise DataError(f"{self.where(path)}, line 1: no column {column!r}{_hint(names)}")
        return names


def _text(stream: IO[bytes], path: str, encoding: str) -> io.TextIOWrapper:
    plain = gzip.GzipFile(fileobj=stream) if path.lower().endswith(".gz") else stream
    return io.TextIOWrapper(plain, encoding=encoding, newline="")


def _hint(names: list[str]) -> str:
    other = next((sign for sign in ";\t|" if len(names) == 1 and sign in names[0]), "")
    if not other:
        return ""
    return (
        f'; the header is cut at {other!r}: say so in datapackage.json, "dialect": {json.dumps({"delimiter": other})}'
    )


def resource_table(files: PackageFiles, resource: Mapping[str, Any], standard: Sequence[str]) -> ResourceTable:
    """The table of a resource.

    Args:
        files: the package's files.
        resource: the table's entry in datapackage.json.
        standard: the columns of a table without a header and without a schema.

    Raises:
        DataError: the resource names no file of the package, or an invalid dialect or encoding.
    """
    where = f"{files.path}: datapackage.json, table {resource.get('name')!r}"
    paths = _paths(resource, where)
    dialect = _dialect(files, resource, where)
    options = {name: dialect[key] for key, name in _OPTIONS.items() if key in dialect}
    if not options.get("quotechar", '"'):
        options |= {"quotechar": None, "quoting": csv.QUOTE_NONE}
    if "delimiter" not in options and _is_tsv(resource, paths[0]):
        options["delimiter"] = "\t"
    try:
        csv.reader([], **options)
        encoding = codecs.lookup(str(resource.get("encoding") or "utf-8")).name
    except (TypeError, ValueError, LookupError, csv.Error) as error:
        raise DataError(f"{where}: {error}; expected a CSV dialect and an encoding") from error
    columns = None if dialect.get("header", True) else _columns(resource) or list(standard)
    comment = str(dialect.get("commentChar") or "")
    return ResourceTable(files, paths, "utf-8-sig" if encoding == "utf-8" else encoding, options, comment, columns)


def _paths(resource: Mapping[str, Any], where: str) -> tuple[str, ...]:
    paths = resource.get("path")
    paths = [paths] if isinstance(paths, str) else paths
    if not (isinstance(paths, list) and paths and all(isinstance(path, str) and path for path in paths)):
        raise DataError(f"{where}: path {paths!r}; expected a file's name, or a list of them")
    for path in paths:
        if "://" in path:
            raise DataError(f"{where}: {path} is an address; download it beside datapackage.json and name the file")
    return tuple(paths)


def _dialect(files: PackageFiles, resource: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The dialect: an object, or a JSON file of the package. Tools of Frictionless 5 write it under the key `csv`."""
    dialect = resource.get("dialect") or {}
    if isinstance(dialect, str):
        try:
            dialect = json.loads(files.read(dialect) or b"")
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: dialect {dialect[:90]!r} is not JSON of the package; write it out") from error
    if not isinstance(dialect, dict):
        raise DataError(f'{where}: dialect {str(dialect)[:90]!r}; expected an object, such as {{"delimiter": ";"}}')
    inner = dialect.get("csv")
    return dialect | inner if isinstance(inner, dict) else dialect


def _is_tsv(resource: Mapping[str, Any], path: str) -> bool:
    return (
        str(resource.get("format", "")).lower() == "tsv"
        or str(resource.get("mediatype", "")).lower() == "text/tab-separated-values"
        or path.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    )


def _columns(resource: Mapping[str, Any]) -> list[str]:
    schema = resource.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return [str(field["name"]) for field in fields or () if isinstance(field, dict) and "name" in field]
