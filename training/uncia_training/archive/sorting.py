"""Sorts an archive into folders, one for each verdict, by link or copy; the originals are only read.

Decides where a picture goes. #1 All pictures of a positive sequence go to its label's folder, those of a negative one
to `other`, unreadable ones to `unreadable`; below that, names are the archive's own. #2 Links are symbolic: with a hard
link, a change of the sorted picture would change the original. #3 A folder contains the sorting of one bundle; a folder
with anything else is refused.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import replacing, storage_errors

MARK = ".uncia-sorted.json"
OTHER, UNREADABLE = "other", "unreadable"
By = Literal["link", "copy"]


class Sorting:
    """A folder with links to pictures, or copies of them, sorted by verdict."""

    def __init__(self, archive: Path, folder: Path, by: By, decided_by: str) -> None:
        """Makes the folder.

        Args:
            archive: the folder of the originals.
            folder: the folder of the links or copies.
            by: which of the two to make.
            decided_by: the name of bundle and settings; the folder of another sorting is refused.

        Raises:
            DataError: the folder lies in the archive, or contains something else (#3).
            StorageError: it cannot be written.
        """
        self._archive, self._folder, self._by = archive.resolve(), folder.resolve(), by
        if self._folder.is_relative_to(self._archive) or self._archive.is_relative_to(self._folder):
            raise DataError(f"{folder}: lies in the archive, or the archive in it; give a folder beside {archive}")
        self._claim(folder, json.dumps({"decided_by": decided_by, "by": by}))

    def add(self, pictures: Iterable[ScoredPicture]) -> int:
        """Sorts pictures; how many. A link or copy that exists already is left as it is.

        Raises:
            StorageError: the folder cannot be written.
        """
        count = 0
        for count, picture in enumerate(pictures, start=1):  # noqa: B007
            original, target = self._archive / picture.file, self._folder / verdict_folder(picture) / picture.file
            try:
                self._place(original, target)
            except OSError as error:
                remedy = "; give --sort-by copy where links are not possible" if self._by == "link" else ""
                raise StorageError(f"{target}: cannot be made ({error.strerror or error}){remedy}") from error
        return count

    def _place(self, original: Path, target: Path) -> None:
        if target.is_symlink() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._by == "link":
            target.symlink_to(original)
        elif original.exists():
            with replacing(target) as stream:
                shutil.copy2(original, stream.name)

    def _claim(self, folder: Path, mark: str) -> None:
        with storage_errors(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            found = self._folder / MARK
            if found.exists() and found.read_text(encoding="utf-8") == mark:
                return
            if any(self._folder.iterdir()):
                raise DataError(f"{folder}: contains something else than this bundle's sorting; give an empty folder")
            found.write_text(mark, encoding="utf-8")


def verdict_folder(picture: ScoredPicture) -> str:
    """The folder of a picture's verdict (#1)."""
    if picture.failure is not None:
        return UNREADABLE
    return picture.label if picture.positive else OTHER
