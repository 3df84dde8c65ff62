"""Pictures by path, on this machine or at an address such as `s3://bucket/survey/IMG_1.JPG`.

Decides how an address is opened: through pyarrow's file systems (s3, gs, hdfs, abfs, file). A `StoragePlace` can be
sent to Spark's workers, which read the archive where they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, BinaryIO

from uncia_contract.archive.visits import Archive, Failed, PictureFile, archive_of
from uncia_contract.errors import DataError
from uncia_contract.pictures.other_formats import opened_as_jpeg
from uncia_contract.pictures.picture_files import TellLeftOut, is_in_skipped_folder, is_picture, left_out_below


def is_address(path: str) -> bool:
    """Whether a path names another machine's storage."""
    return "://" in path


def read_at(path: str) -> bytes:
    """A picture as a JPEG.

    Raises:
        FrameError: it cannot be read, is absurdly large, or of a format that is not read.
    """
    return opened_as_jpeg(lambda: open_at(path))


def open_at(path: str) -> Any:
    """A file's bytes, opened.

    Raises:
        OSError: it cannot be opened.
    """
    if not is_address(path):
        return open(path, "rb")  # noqa: PTH123 - a Path costs as much as the opening
    system, inner = system_of(path)
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

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.address.rstrip("/").rpartition("/")[2]

    def folders(self, failed: Failed, tell: TellLeftOut) -> list[str]:
        """The folders below it with pictures, itself ("") included; one by one where one of them cannot be listed."""
        try:
            names = [name for name, _ in _listed(self.address, recursive=True)]
        except OSError:
            names = list(self._walk(failed))
        folders = {""}
        for name in names:
            if is_picture(name) and not is_in_skipped_folder(name):
                folders.add(name.rpartition("/")[0])
            elif reason := left_out_below(name):
                tell(name, reason)
        return sorted(folders)

    def _walk(self, failed: Failed) -> Iterator[str]:
        """Every file's name, also where a folder cannot be listed."""
        waiting = [""]
        while waiting:
            here = waiting.pop()
            try:
                files, folders = _entries(f"{self.address.rstrip('/')}/{here}", recursive=False)
            except OSError as error:
                if not is_in_skipped_folder(f"{here}/any"):
                    failed(here, error)
                continue
            prefix = f"{here}/" if here else ""
            yield from (prefix + name for name, _ in files)
            waiting += [prefix + name for name, _ in folders]

    def files(self, folder: str) -> list[PictureFile]:
        """The pictures in one of them, sorted by name."""
        found = _listed(f"{self.address.rstrip('/')}/{folder}", recursive=False)
        prefix = f"{folder}/" if folder else ""
        files = [PictureFile(prefix + name, one.size, one.mtime_ns or 0) for name, one in found if is_picture(name)]
        return sorted(files, key=lambda file: file.name)

    def open(self, name: str) -> BinaryIO:
        """One file's bytes."""
        stream: BinaryIO = open_at(f"{self.address.rstrip('/')}/{name}")
        return stream


def archive_at(archive: str, zone: tzinfo | None = UTC) -> Archive:
    """The archive at a path or an address; `zone` is that of times that name no offset, None where it is not known.

    Raises:
        DataError: there is none, or it has no pictures.
    """
    if is_address(archive):
        return Archive(StoragePlace(archive), archive, zone)
    if Path(archive).is_file():
        raise DataError(
            f"{archive}: a file; expected a folder with pictures: unpack a zip, give the folder that a CSV lies in"
        )
    return archive_of(Path(archive), zone)


def _listed(address: str, recursive: bool) -> list[tuple[str, Any]]:
    """Names of files below the address, and what is known of each."""
    return _entries(address, recursive)[0]


def _entries(address: str, recursive: bool) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Files and folders below the address: their names, and what is known of each."""
    from pyarrow.fs import FileSelector, FileType

    system, root = system_of(address)
    below = system.get_file_info(FileSelector(root, recursive=recursive))
    found = [(one.path[len(root.rstrip("/")) + 1 :], one) for one in below]
    files, folders = ([one for one in found if one[1].type == kind] for kind in (FileType.File, FileType.Directory))
    return files, folders


def system_of(address: str) -> tuple[Any, str]:
    """Pyarrow's file system at an address (of a path: this machine's), and the path in it.

    Raises:
        DataError: not an address that it knows.
    """
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem, LocalFileSystem

    if not is_address(address):
        return LocalFileSystem(), address
    try:
        system, inner = FileSystem.from_uri(address.replace("s3a://", "s3://", 1))
    except (ArrowInvalid, ValueError, OSError) as error:
        raise DataError(
            f"{address}: not an address that pyarrow can open ({error}); such as s3://bucket/folder"
        ) from error
    return system, inner
