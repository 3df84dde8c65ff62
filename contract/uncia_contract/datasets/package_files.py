"""The files of a package: those of a folder, or the members of a zip and what lies beside it.

Decides what belongs to a package: files below its folder; a zip's members, relative to its `datapackage.json`, which
lies at the root or in the one top folder; and, of media, files below the folder that the zip lies in.
"""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from uncia_contract.errors import DataError
from uncia_contract.pictures.jpeg import MAX_JPEG_BYTES

DATAPACKAGE = "datapackage.json"
# What a zip raises whose bytes are damaged, encrypted, or compressed as Python cannot read.
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def is_camtrap_dp(path: Path) -> bool:
    """Whether a path is taken for a package: a folder with its descriptor, that itself, or a zip."""
    return (path / DATAPACKAGE).exists() or path.name == DATAPACKAGE or path.suffix.lower() == ".zip"


class PackageFiles(Protocol):
    """Files by their names in the package.

    Attributes:
        path: of the package, for messages.
        folder: where media lie that are not in a zip.
        descriptor: the name of its `datapackage.json`.
    """

    path: Path
    folder: Path
    descriptor: str

    def read(self, name: str) -> bytes | None:
        """A file; empty where it is damaged or too large, None where it is not there or not of the package."""

    def open(self, name: str) -> IO[bytes]:
        """A file to read from; raises DataError where it is not of the package, else what reading raises."""

    def zipped(self, name: str) -> bool:
        """Whether the file is a member of a zip."""

    def close(self) -> None:
        """Close what is open."""


def package_files(path: Path) -> PackageFiles:
    """The files of the package that is a folder, a `datapackage.json` or a zip.

    Raises:
        DataError: it is none of these, or a damaged zip.
    """
    if path.is_file() and path.suffix.lower() != ".json":
        try:
            return _Zip(path)
        except DAMAGED as error:
            raise DataError(
                f"{path}: cannot be read: {error}; expected a Camtrap DP package: its folder, {DATAPACKAGE} or zip"
            ) from error
    return _Folder(path.parent, path.name) if path.is_file() else _Folder(path)


class _Folder:
    """Files below a folder."""

    def __init__(self, folder: Path, descriptor: str = DATAPACKAGE) -> None:
        self.path = self.folder = folder.absolute()
        self.descriptor = descriptor

    def read(self, name: str) -> bytes | None:
        try:
            file = (self.path / name).resolve()
            if "://" in name or not file.is_relative_to(self.path.resolve()) or not file.is_file():
                return None
            return file.read_bytes() if file.stat().st_size <= MAX_JPEG_BYTES else b""
        except (OSError, ValueError):  # a name too long for any file or with a NUL, a file that is not ours to read
            return None

    def open(self, name: str) -> IO[bytes]:
        if not (self.path / name).resolve().is_relative_to(self.path.resolve()):
            raise DataError(f"{self.path}: {name!r} leads out of the package")
        return (self.path / name).open("rb")

    def zipped(self, name: str) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


class _Zip:
    """Members of a zip."""

    def __init__(self, path: Path) -> None:
        self.path, self._zip = path.absolute(), zipfile.ZipFile(path)
        self.folder, self.descriptor = self.path.parent, DATAPACKAGE
        self._beside = _Folder(self.folder)
        self._members = {info.filename: info for info in self._zip.infolist()}
        found = sorted(_packages(self._members), key=len)
        if len(found) > 1 and found[0]:
            raise DataError(f"{path}: holds several packages ({', '.join(found)}); unpack it and name one")
        self._base = found[0] if found else ""

    def read(self, name: str) -> bytes | None:
        info = self._members.get(self._base + name)
        if info is None:
            return None if name == self.descriptor else self._beside.read(name)
        try:
            return self._zip.read(info) if info.file_size <= MAX_JPEG_BYTES else b""
        except DAMAGED:
            return b""

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._zip.open(self._base + name)
        except KeyError as error:
            raise FileNotFoundError(f"no member {name!r}") from error

    def zipped(self, name: str) -> bool:
        return self._base + name in self._members

    def close(self) -> None:
        self._zip.close()


def _packages(names: Iterable[str]) -> list[str]:
    """What stands before the name of each `datapackage.json` at the root or in a top folder."""
    paths = [PurePosixPath(name) for name in names]
    return [
        str(path).removesuffix(DATAPACKAGE)
        for path in paths
        if path.name == DATAPACKAGE and len(path.parts) <= 2 and path.parts[0] != "__MACOSX"
    ]
