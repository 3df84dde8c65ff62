"""An archive sorted into folders, one for each verdict, by link or copy: the originals are only ever read.

Decides where a picture goes. #1 All of a positive sequence goes to its label's folder, all of a negative one to
`other`, what cannot be read to `unreadable`; below that, names are the archive's own. #2 Links are symbolic: a hard
link would let whoever edits the sorted picture edit the original. #3 A folder holds the sorting of one bundle; one
that holds anything else is refused.
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
    """A folder into which pictures are sorted."""

    def __init__(self, archive: Path, folder: Path, by: By, decided_by: str) -> None:
        """Makes the folder.

        Args:
            archive: where the originals are.
            folder: where the links or copies go.
            by: which of the two.
            decided_by: names bundle and settings; another sorting in the same folder is refused.

        Raises:
            DataError: the folder lies in the archive or holds something else (#3).
            StorageError: it cannot be written.
        """
        self._archive, self._folder, self._by = archive.resolve(), folder.resolve(), by
        if self._folder.is_relative_to(self._archive) or self._archive.is_relative_to(self._folder):
            raise DataError(f"{folder}: lies in the archive, or the archive in it; give a folder beside {archive}")
        self._claim(folder, json.dumps({"decided_by": decided_by, "by": by}))

    def add(self, pictures: Iterable[ScoredPicture]) -> int:
        """Sorts pictures; how many. One that is there already is left as it is.

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
                raise DataError(f"{folder}: holds something else than this bundle's sorting; give an empty folder")
            found.write_text(mark, encoding="utf-8")


def verdict_folder(picture: ScoredPicture) -> str:
    """The folder of a picture's verdict (#1)."""
    if picture.failure is not None:
        return UNREADABLE
    return picture.label if picture.positive else OTHER
