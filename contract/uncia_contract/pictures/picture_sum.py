"""The counts that a command prints after it has read pictures: found = used + failed + left out.

Decides the wording and the JSON. Folders that could not be read are listed separately, because their content is not
known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uncia_contract.pictures.picture_files import LeftOut

# Singular and plural.
_WORDS = {
    LeftOut.VIDEO: ("video", "videos"),
    LeftOut.HIDDEN: ("hidden or in a system folder", "hidden or in system folders"),
    LeftOut.RAW: ("raw", "raw"),
    LeftOut.HEIC: ("HEIC", "HEIC"),
    LeftOut.OTHER_FORMAT: ("in another format", "in other formats"),
    LeftOut.BROKEN_LINK: ("broken link", "broken links"),
    LeftOut.UNLABELLED: ("without a label", "without a label"),
    LeftOut.CORRUPT: ("marked corrupt", "marked corrupt"),
    LeftOut.NEVER_LEARNT: ("of split test or tune", "of split test or tune"),
    LeftOut.COPY: ("copy of a test picture", "copies of test pictures"),
    LeftOut.NOT_NEEDED: ("not needed", "not needed"),
    LeftOut.LINKED_FOLDER: ("linked folder", "linked folders"),
    LeftOut.UNREADABLE_FOLDER: ("unreadable folder (named above)", "unreadable folders (named above)"),
}
FOLDERS = (LeftOut.LINKED_FOLDER, LeftOut.UNREADABLE_FOLDER)


@dataclass(frozen=True)
class PictureSum:
    """How many pictures were used, how many failed, and how many files were left out, by reason.

    `without_time` is the number of used pictures without a usable time.
    """

    used: int
    failed: int
    left_out: Mapping[LeftOut, int]
    without_time: int

    @property
    def found(self) -> int:
        """The number of all pictures and videos."""
        return self.used + self.failed + sum(self._pictures.values())

    @property
    def _pictures(self) -> dict[LeftOut, int]:
        return self._of(one for one in LeftOut if one not in FOLDERS)

    def _of(self, reasons: Iterable[LeftOut]) -> dict[LeftOut, int]:
        return {one: count for one in reasons if (count := self.left_out.get(one, 0))}

    def lines(self) -> list[str]:
        """The counts in one line, and a second line if folders were not read."""
        left_out = sum(self._pictures.values())
        parts = [
            f"{self.used} used" + (f" ({self.without_time} without a usable time)" if self.without_time else ""),
            f"{self.failed} failed" + (" (named above)" if self.failed else ""),
            f"{left_out} left out" + (f" ({in_words(self._pictures)})" if left_out else ""),
        ]
        told = [f"{self.found} picture{'s' * (self.found != 1)} found: {', '.join(parts)}"]
        folders = self._of(FOLDERS)
        return told + [f"not looked into: {in_words(folders)}"] * bool(folders)

    def as_json(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        return {
            "found": self.found,
            "used": self.used,
            "failed": self.failed,
            "left_out": {str(one): count for one, count in self._pictures.items()},
            "without_time": self.without_time,
            "folders_not_read": {str(one): count for one, count in self._of(FOLDERS).items()},
        }


@dataclass
class PictureNotes:
    """Notes of a reader of pictures: files left out, files without a usable time, folders that could not be read.

    `unreadable` has a line for each folder that could not be listed.
    """

    left_out: Counter[LeftOut] = field(default_factory=Counter)
    untimed: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)

    def leave_out(self, path: str, reason: LeftOut) -> None:
        """Count a file that is left out."""
        self.left_out[reason] += 1

    def cannot_list(self, folder: object, error: OSError) -> None:
        """Count a folder that cannot be listed and add its line; a second call for it does nothing."""
        line = f"{folder}: cannot be read ({error.strerror or error})"
        if line not in self.unreadable:
            self.unreadable.append(line)
            self.left_out[LeftOut.UNREADABLE_FOLDER] += 1

    def sum_of(
        self, pictures: int, failed: Iterable[str], left_out: Mapping[LeftOut, Iterable[str]] | None = None
    ) -> PictureSum:
        """The counts of a command.

        Args:
            pictures: the number of pictures that the reader returned.
            failed: the files that could not be used.
            left_out: further files that the command did not use, by reason.
        """
        further = {reason: set(files) for reason, files in (left_out or {}).items()}
        lost = set(failed)
        unused = lost.union(*further.values())
        counts = self.left_out + Counter({reason: len(files) for reason, files in further.items()})
        return PictureSum(pictures - len(unused), len(lost), counts, len(self.untimed - unused))


def in_words(counts: Mapping[LeftOut, int]) -> str:
    """The counts in words, such as `4 videos, 2 HEIC`, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {_WORDS[one][count != 1]}" for one, count in ordered if count)
