"""Decides when to try an unreadable file again, and when to give it up.

A fault may pass (EIO, ESTALE, ETIMEDOUT, EACCES). Time counts from the file's first failure, and only while the
watched folder itself can be read:
1. The file is tried again after 2 s, then after pauses that double, up to 10 minutes.
2. For `WAIT_S` the burst that it probably belongs to waits for it: a burst with a frame in the same folder that was
   written within the burst's gap of it. The file joins that burst if it can be read in time.
3. Then the burst is scored without the file, and names it as a failure. The file is still tried. If it can be read
   later, it becomes a burst of its own that continues the event.
4. After `GIVE_UP_S` the file counts as handed over.
A restart begins with 1 again, or with 3 if the ledger says `unread`.
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from uncia_edge.camera.seen_files import Key, is_gone

WAIT_S = 90.0
GIVE_UP_S = 24 * 3600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
_TRIED_TOGETHER = 8  # files; between two batches, bursts that have ended are handed over


@dataclass
class Unreadable:
    """A file that could not be read, with its key at that time; `named` once its burst was scored without it."""

    path: Path
    key: Key
    reason: str
    since_s: float
    named: bool
    pause_s: float = FIRST_PAUSE_S
    next_s: float = math.inf  # monotonic time of the next attempt; infinite once the file was read


class UnreadableFiles:
    """The files that could not be read and are not handed over yet.

    `gap_s` is the burst rule's; `clock` gives monotonic seconds. `files` is usually empty: callers test it first.
    """

    def __init__(self, gap_s: float, clock: Callable[[], float]) -> None:
        self._gap_ns, self._clock = int(gap_s * 1e9), clock
        self.files: dict[Path, Unreadable] = {}
        self._looked_s, self._rest_until_s = clock(), 0.0

    @property
    def count(self) -> int:
        """How many files cannot be read now."""
        return sum(file.next_s < math.inf for file in self.files.values())

    def failed(self, path: Path, key: Key, reason: str, named: bool = False) -> None:
        """Note that a file could not be read, for the first time or again."""
        now_s, file = self._clock(), self.files.get(path)
        self._looked_s = self._looked_s if self.files else now_s
        if file is None or file.key != key:
            file = self.files[path] = Unreadable(path, key, reason, now_s, named)
        file.reason, file.named = reason, file.named or named
        file.next_s = now_s + file.pause_s
        file.pause_s = min(2 * file.pause_s, LONGEST_PAUSE_S)

    def due(self, is_folder_there: bool) -> list[Unreadable]:
        """The files to try again now: none while the folder cannot be read, and that time does not count."""
        now_s = self._clock()
        if not is_folder_there:
            for file in self.files.values():
                file.since_s += now_s - self._looked_s
        self._looked_s = now_s
        if not is_folder_there or now_s < self._rest_until_s:
            return []
        return [file for file in self.files.values() if file.next_s <= now_s][:_TRIED_TOGETHER]

    def rest(self, began_s: float) -> None:
        """Try no file for four times as long as since `began_s`: a failing card is slow, and other files need time."""
        self._rest_until_s = self._clock() + 4 * (self._clock() - began_s)

    def was_read(self, path: Path) -> None:
        """Note that the file could be read. If it fails again, its time still counts from the first failure."""
        self.files[path].next_s = math.inf

    def overdue(self) -> list[Unreadable]:
        """The files that no burst waits for any longer (rule 3); they are now marked as named."""
        over = [file for file in self._unnamed() if not self._is_awaited(file)]
        for file in over:
            file.named = True
        return over

    def is_over(self, file: Unreadable) -> bool:
        """Whether the file is given up (rule 4)."""
        return self._clock() - file.since_s >= GIVE_UP_S

    def holds_up(self, keys: Iterable[Key]) -> bool:
        """Whether a burst of these files waits for an unreadable file (rule 2)."""
        awaited = [(_folder(file.key), file.key[2]) for file in self._unnamed()]
        return bool(awaited) and any(
            folder == _folder(key) and abs(written - key[2]) <= self._gap_ns
            for key in keys
            for folder, written in awaited
        )

    def may_wait(self, paths: Collection[Path]) -> bool:
        """Whether a burst of these files may be given again later if one of them cannot be read."""
        return all(self._is_awaited(self.files[path]) for path in paths if path in self.files)

    def keys(self, paths: Collection[Path]) -> list[Key]:
        """The keys of the unreadable files among these."""
        return [self.files[path].key for path in paths if path in self.files]

    def forget_renamed(self, key: Key) -> None:
        """Forget files of the same size and time that are gone: the new file with this key is one of them, renamed."""
        for path in [one.path for one in self.files.values() if one.key[1:] == key[1:] and is_gone(one.path)]:
            self.forget(path)

    def forget(self, path: Path) -> None:
        """Stop trying a file: it was handed over, renamed, or is gone."""
        self.files.pop(path, None)

    def _unnamed(self) -> Iterable[Unreadable]:
        return (file for file in self.files.values() if not file.named and file.next_s < math.inf)

    def _is_awaited(self, file: Unreadable) -> bool:
        return not file.named and self._clock() - file.since_s < WAIT_S


def _folder(key: Key) -> str:
    return key[0].rpartition("/")[0]
