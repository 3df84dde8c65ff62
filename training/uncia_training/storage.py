"""Pictures by path, on this machine or at an address such as `s3://bucket/survey/IMG_1.JPG`.

Decides how an address is opened: through pyarrow's file systems (s3, gs, hdfs, abfs, file). A `StoragePlace` can be
sent to Spark's workers, which read the archive where they are.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from uncia_contract.archive import Archive, PictureFile, archive_of, is_picture
from uncia_contract.errors import DataError, FrameError
from uncia_contract.jpeg import MAX_JPEG_BYTES


def is_address(path: str) -> bool:
    """Whether a path names another machine's storage."""
    return "://" in path


def read_at(path: str) -> bytes:
    """A picture's bytes.

    Raises:
        FrameError: it cannot be read, or is absurdly large.
    """
    try:
        with open_at(path) as stream:
            data: bytes = stream.read(MAX_JPEG_BYTES + 1)
    except OSError as error:
        raise FrameError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_JPEG_BYTES:
        raise FrameError(f"more than {MAX_JPEG_BYTES} bytes")
    return data


def open_at(path: str) -> Any:
    """A file's bytes, opened.

    Raises:
        OSError: it cannot be opened.
    """
    if not is_address(path):
        return Path(path).open("rb")
    system, inner = _system(path)
    return system.open_input_file(inner)


def known_of(path: str) -> PictureFile:
    """Size and time of change of a file; zeros where it is not there, or far away."""
    try:
        known = Path(path).stat()
    except OSError:
        return PictureFile(path, 0, 0)
    return PictureFile(path, known.st_size, known.st_mtime_ns)


@dataclass(frozen=True)
class StoragePlace:
    """Everything below an address."""

    address: str

    def folders(self) -> list[str]:
        """The folders below it, itself ("") included."""
        return sorted(self._listed)

    def files(self, folder: str) -> list[PictureFile]:
        """The pictures in one of them, sorted by name."""
        return self._listed.get(folder, [])

    def open(self, name: str) -> BinaryIO:
        """One file's bytes."""
        stream: BinaryIO = open_at(f"{self.address.rstrip('/')}/{name}")
        return stream

    @property
    def _listed(self) -> dict[str, list[PictureFile]]:
        return _listing(self.address.rstrip("/"))


def archive_at(archive: str) -> Archive:
    """The archive at a path or an address.

    Raises:
        DataError: there is none, or it has no pictures.
    """
    if is_address(archive):
        return Archive(StoragePlace(archive), archive)
    return archive_of(Path(archive))


@functools.lru_cache(maxsize=4)
def _listing(address: str) -> dict[str, list[PictureFile]]:
    from pyarrow.fs import FileSelector, FileType

    system, root = _system(address)
    found: dict[str, list[PictureFile]] = {"": []}
    for one in system.get_file_info(FileSelector(root, recursive=True)):
        name = one.path[len(root.rstrip("/")) + 1 :]
        if one.type == FileType.File and is_picture(name):
            folder = name.rpartition("/")[0]
            found.setdefault(folder, []).append(PictureFile(name, one.size, one.mtime_ns or 0))
    return {folder: sorted(files, key=lambda file: file.name) for folder, files in found.items()}


def _system(address: str) -> tuple[Any, str]:
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem

    try:
        system, inner = FileSystem.from_uri(address.replace("s3a://", "s3://", 1))
    except (ArrowInvalid, ValueError, OSError) as error:
        raise DataError(
            f"{address}: not an address that pyarrow can open ({error}); such as s3://bucket/folder"
        ) from error
    return system, inner
