"""Counts what a Camtrap DP package leaves out, by reason and trap, before and while it is written.

Decides what is left out:
#1 sequences outside every deployment (the standard requires a place),
#2 sequences with neither a stored picture nor an answer,
#3 pictures that are not stored, or whose file is missing on the disk.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from uncia_collector.exports.sequences import EVERYTHING, ExportedSequence, Selection, exported_sequences

OUTSIDE = "sequences outside every deployment"
SILENT = "sequences without a picture here and without an answer"
NOT_HERE = "pictures that have not arrived, or are no JPEG"
PEOPLE = "pictures that show people, unless they are asked for"
MISSING = "pictures whose file is missing on the disk"
UNREADABLE = "pictures that cannot be read"
REASONS = (OUTSIDE, SILENT, NOT_HERE, PEOPLE, MISSING, UNREADABLE)
_MOST_TRAPS = 12  # named in one line


@dataclass
class LeftOut:
    """`kept` is the number of exported sequences; `counts` has what is left out, by reason, then by trap."""

    kept: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def sequences(self) -> int:
        """How many sequences are left out."""
        return sum(self.counts.get(reason, Counter[str]()).total() for reason in (OUTSIDE, SILENT))

    def add(self, reason: str, trap: str, count: int = 1) -> None:
        """Count what is left out of a trap, for one of the `REASONS`."""
        if count:
            self.counts.setdefault(reason, Counter())[trap] += count

    def lines(self, translate: Callable[[str], str] = str) -> list[str]:
        """One line for each reason, such as `pictures that cannot be read: 12 (ridge-01 10, ridge-02 2)`."""
        return [
            f"{translate(reason)}: {by_trap.total()} ({_by_trap(by_trap, translate)})"
            for reason, by_trap in sorted(self.counts.items())
        ]

    @property
    def summary(self) -> str:
        """All counts in one line."""
        return f"sequences: {self.kept}; left out: {'; '.join(self.lines()) or 'nothing'}"


def selected(item: ExportedSequence, root: Path | None, left: LeftOut) -> ExportedSequence | None:
    """The sequence with the frames that the package can hold; None if the package leaves it out.

    Args:
        item: the sequence.
        root: the data folder, to check whether the pictures' files exist; None: no check.
        left: counts the sequence, and what is left out of it.
    """
    trap = item.row.trap
    if item.place is None:  # #1
        left.add(OUTSIDE, trap)
        return None
    here = [frame for frame in item.frames if root is None or (root / frame.path).is_file()]
    if item.event is None:
        left.add(MISSING, trap, len(item.frames) - len(here))  # #3
        left.add(PEOPLE if item.hidden else NOT_HERE, trap, item.row.frames - len(item.frames))
        if not here and not item.observations:  # #2
            left.add(SILENT, trap)
            return None
    left.kept += 1
    return item if item.event is not None else replace(item, frames=here)


def what_is_left_out(connection: Connection, root: Path | None, only: Selection = EVERYTHING) -> LeftOut:
    """Count what a package would hold and leave out if it were written now."""
    left = LeftOut()
    for item in exported_sequences(connection, only=only):
        selected(item, root, left)
    return left


def _by_trap(counts: Counter[str], translate: Callable[[str], str]) -> str:
    named = ", ".join(f"{trap} {count}" for trap, count in counts.most_common(_MOST_TRAPS))
    more = len(counts) - _MOST_TRAPS
    return translate(f"{named} and {more} more traps") if more > 0 else named
