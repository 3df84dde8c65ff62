"""The files of a data package: a folder, or the members of a zip with the media beside it.

These belong to a package: files below its folder; a zip's members, relative to its `datapackage.json`, which is at the
root or in the only top folder; and media below the folder that holds the zip.
"""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from uncia_contract.errors import DataError
from uncia_contract.pictures.jpeg import MAX_JPEG_BYTES

DATAPACKAGE = "datapackage.json"
# The errors for a zip that is damaged, encrypted, or compressed in a way that Python cannot read.
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def is_camtrap_dp(path: Path) -> bool:
    """Whether a path is a package: a folder with a `datapackage.json`, that file itself, or a zip."""
    return (path / DATAPACKAGE).exists() or path.name == DATAPACKAGE or path.suffix.lower() == ".zip"


class PackageFiles(Protocol):
    """The files of a package, by their names in it.

    Attributes:
        path: the package's path, for messages.
        folder: the folder that holds media outside of the zip.
        descriptor: the name of its `datapackage.json`.
    """

    path: Path
    folder: Path
    descriptor: str

    def read(self, name: str) -> bytes | None:
        """A file's bytes: empty if it is damaged or too large, None if it is missing or outside the package."""

    def open(self, name: str) -> IO[bytes]:
        """A file as a stream; raises DataError if it is outside the package, OSError if it cannot be opened."""

    def zipped(self, name: str) -> bool:
        """Whether the file is a member of a zip."""

    def close(self) -> None:
        """Close the package."""


def package_files(path: Path) -> PackageFiles:
    """The files of a package, given as a folder, a `datapackage.json` or a zip.

    Raises:
        DataError: the path is another file, or a damaged zip.
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
        except (OSError, ValueError):  # a name that is too long or has a NUL, or a file without permission to read
            return None

    def open(self, name: str) -> IO[bytes]:
        if not (self.path / name).resolve().is_relative_to(self.path.resolve()):
            raise DataError(f"{self.path}: {name!r} is outside the package")
        return (self.path / name).open("rb")

    def zipped(self, name: str) -> bool:
        return False

    def close(self) -> None:
        """Do nothing: a folder is not kept open."""


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
    """The prefix of each `datapackage.json` at the root ("") or in a top folder ("folder/")."""
    paths = [PurePosixPath(name) for name in names]
    return [
        str(path).removesuffix(DATAPACKAGE)
        for path in paths
        if path.name == DATAPACKAGE and len(path.parts) <= 2 and path.parts[0] != "__MACOSX"
    ]
