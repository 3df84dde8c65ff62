"""A camera's own file numbers (DCF: `100MEDIA/IMG_0001.JPG` to 9999), which go on when its clock does not.

Decides which names are a camera's and in which order it wrote them. Names that people give have no number here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

LAST = 9999
# Four characters of the maker's choice, or Bushnell's month and day, before the number.
_NAME = re.compile(r"((?=.{0,3}[A-Z_])[A-Z0-9_]{4}|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(\d{4})", re.IGNORECASE)
_FOLDER = re.compile(r"([1-9]\d\d)[A-Z0-9_]{5}", re.IGNORECASE)


@dataclass(frozen=True)
class FileNumber:
    """`counter` names what counts: where the camera's folders lie, and how its files begin."""

    counter: str
    folder: int
    number: int

    def follows(self, other: "FileNumber") -> bool:
        """Whether no picture lies between: the last is followed by the first, which a next folder begins with, too."""
        begins = self.folder == other.folder + 1 and self.number <= 1
        return begins or (self.number - other.number) % LAST == 1


def file_number(path: PurePosixPath) -> FileNumber | None:
    """The number in a file's name; None where it is no camera's."""
    found = _NAME.fullmatch(path.stem)
    if found is None:
        return None
    letters = "" if found[1].isdigit() else found[1].upper()
    folder = _FOLDER.fullmatch(path.parent.name)
    place = path.parent.parent if folder else path.parent
    return FileNumber(f"{place}/{letters}", int(folder[1]) if folder else 0, int(found[2]))


def ranks(numbers: Iterable[FileNumber]) -> dict[FileNumber, int]:
    """Each number's place in the order in which its camera wrote; in a folder that wraps, 9999 comes before 1."""
    folders: dict[tuple[str, int], set[int]] = {}
    for one in numbers:
        folders.setdefault((one.counter, one.folder), set()).add(one.number)
    found = {}
    for (counter, folder), present in folders.items():
        first = _first(sorted(present))
        for number in present:
            found[FileNumber(counter, folder, number)] = folder * (LAST + 1) + (number - first) % (LAST + 1)
    return found


def _first(present: list[int]) -> int:
    """The number with which a folder began: the one after the longest run of numbers that are not there."""
    before = [present[-1] - LAST, *present[:-1]]
    return max(zip(present, before, strict=True), key=lambda pair: pair[0] - pair[1])[0]
