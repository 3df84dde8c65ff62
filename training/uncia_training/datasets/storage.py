"""Opens pictures by path, on this machine or at an address such as `s3://bucket/survey/IMG_1.JPG`.

Addresses are opened with pyarrow's file systems (s3, gs, hdfs, abfs, file). A `StoragePlace` can be sent to Spark's
workers, which then read the archive themselves.
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
    """Whether a path is an address (it contains `://`)."""
    return "://" in path


def read_at(path: str) -> bytes:
    """A picture as a JPEG.

    Raises:
        FrameError: it cannot be read, is too large, or has another format.
    """
    return opened_as_jpeg(lambda: open_at(path))


def open_at(path: str) -> Any:
    """A stream of a file's bytes.

    Raises:
        OSError: it cannot be opened.
    """
    if not is_address(path):
        return open(path, "rb")  # noqa: PTH123 - a Path costs as much as the opening
    system, inner = system_of(path)
    return system.open_input_file(inner)


def known_of(path: str) -> PictureFile:
    """A file's size and modification time; zeros if it is missing or at an address."""
    try:
        known = Path(path).stat()
    except OSError:
        return PictureFile(path, 0, 0)
    return PictureFile(path, known.st_size, known.st_mtime_ns)


@dataclass(frozen=True)
class StoragePlace:
    """The folder at an address, with everything below it."""

    address: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.address.rstrip("/").rpartition("/")[2]

    def folders(self, failed: Failed, tell: TellLeftOut) -> list[str]:
        """The folders below it with pictures, sorted; the address itself is "".

        All files are listed at once. If that fails, folders are listed one by one, and `failed` gets those that fail.
        """
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
        """The names of all files, in folders that can be listed."""
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
        """The pictures in one folder, sorted by name."""
        found = _listed(f"{self.address.rstrip('/')}/{folder}", recursive=False)
        prefix = f"{folder}/" if folder else ""
        files = [PictureFile(prefix + name, one.size, one.mtime_ns or 0) for name, one in found if is_picture(name)]
        return sorted(files, key=lambda file: file.name)

    def open(self, name: str) -> BinaryIO:
        """A stream of one file's bytes."""
        stream: BinaryIO = open_at(f"{self.address.rstrip('/')}/{name}")
        return stream


def archive_at(archive: str, zone: tzinfo | None = UTC) -> Archive:
    """The archive at a path or an address; `zone` is the zone of times without an offset (None: not known).

    Raises:
        DataError: it does not exist or has no pictures.
    """
    if is_address(archive):
        return Archive(StoragePlace(archive), archive, zone)
    if Path(archive).is_file():
        raise DataError(
            f"{archive}: a file; expected a folder with pictures: unpack a zip, or give the folder of a CSV"
        )
    return archive_of(Path(archive), zone)


def _listed(address: str, recursive: bool) -> list[tuple[str, Any]]:
    """The files below the address: their names, and pyarrow's information on each."""
    return _entries(address, recursive)[0]


def _entries(address: str, recursive: bool) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """The files and the folders below the address: their names, and pyarrow's information on each."""
    from pyarrow.fs import FileSelector, FileType

    system, root = system_of(address)
    below = system.get_file_info(FileSelector(root, recursive=recursive))
    found = [(one.path[len(root.rstrip("/")) + 1 :], one) for one in below]
    files, folders = ([one for one in found if one[1].type == kind] for kind in (FileType.File, FileType.Directory))
    return files, folders


def system_of(address: str) -> tuple[Any, str]:
    """Pyarrow's file system for an address (for a path: this machine's), and the path in it.

    Raises:
        DataError: pyarrow does not know such an address.
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
