"""When a file that cannot be read now is tried again, and when it is given up.

Decides the patience of a camera with a passing fault (EIO, ESTALE, ETIMEDOUT, EACCES). All times are measured from the
file's first failure by the clock, and only while the watched folder itself is there:
1. It is read again after 2 s, then after pauses that double, up to 10 minutes.
2. For `WAIT_S` the burst that it probably belongs to waits for it: one with a frame of the same folder that was
   written within the burst's gap of it. It joins that burst if it is read in time.
3. Then its burst goes without it, and the file is named as a failure. It is tried on; read later, it is a burst of its
   own that continues the event.
4. After `GIVE_UP_S` it counts as handed over. A restart begins anew with 1, and with 3 where the ledger says `unread`.
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from uncia_edge.camera.seen_files import Key, is_gone

WAIT_S = 90.0
GIVE_UP_S = 24 * 3600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
_TRIED_TOGETHER = 8  # files; bursts that have ended go between them


@dataclass
class Unreadable:
    """A file that could not be read, with its key then; `named` once its burst has gone without it."""

    path: Path
    key: Key
    reason: str
    since_s: float
    named: bool
    pause_s: float = FIRST_PAUSE_S
    next_s: float = math.inf  # infinite once it was read again


class UnreadableFiles:
    """The files that could not be read and are not handed over yet; `gap_s` is the burst rule's.

    Most of the time `files` is empty, and nothing need be asked.
    """

    def __init__(self, gap_s: float, clock: Callable[[], float]) -> None:
        self._gap_ns, self._clock = int(gap_s * 1e9), clock
        self.files: dict[Path, Unreadable] = {}
        self._looked_s, self._rest_until_s = clock(), 0.0

    @property
    def count(self) -> int:
        """How many cannot be read now."""
        return sum(file.next_s < math.inf for file in self.files.values())

    def failed(self, path: Path, key: Key, reason: str, named: bool = False) -> None:
        """A file could not be read, again or for the first time."""
        now_s, file = self._clock(), self.files.get(path)
        self._looked_s = self._looked_s if self.files else now_s
        if file is None or file.key != key:
            file = self.files[path] = Unreadable(path, key, reason, now_s, named)
        file.reason, file.named = reason, file.named or named
        file.next_s = now_s + file.pause_s
        file.pause_s = min(2 * file.pause_s, LONGEST_PAUSE_S)

    def due(self, is_folder_there: bool) -> list[Unreadable]:
        """Those to be read again now; none while the folder is away, whose time does not count."""
        now_s = self._clock()
        if not is_folder_there:
            for file in self.files.values():
                file.since_s += now_s - self._looked_s
        self._looked_s = now_s
        if not is_folder_there or now_s < self._rest_until_s:
            return []
        return [file for file in self.files.values() if file.next_s <= now_s][:_TRIED_TOGETHER]

    def rest(self, began_s: float) -> None:
        """A card that fails answers slowly: four fifths of the time are for other files."""
        self._rest_until_s = self._clock() + 4 * (self._clock() - began_s)

    def was_read(self, path: Path) -> None:
        """It can be read now; should it fail once more, its time goes on."""
        self.files[path].next_s = math.inf

    def overdue(self) -> list[Unreadable]:
        """Those that their bursts need not wait for any longer; from now on they are named."""
        over = [file for file in self._unnamed() if not self._is_awaited(file)]
        for file in over:
            file.named = True
        return over

    def is_over(self, file: Unreadable) -> bool:
        """Whether it was tried for long enough."""
        return self._clock() - file.since_s >= GIVE_UP_S

    def holds_up(self, keys: Iterable[Key]) -> bool:
        """Whether a burst of these files waits for one that cannot be read."""
        awaited = [(_folder(file.key), file.key[2]) for file in self._unnamed()]
        return bool(awaited) and any(
            folder == _folder(key) and abs(written - key[2]) <= self._gap_ns
            for key in keys
            for folder, written in awaited
        )

    def may_wait(self, paths: Collection[Path]) -> bool:
        """Whether a burst of these files may be handed over again where one of them fails."""
        return all(self._is_awaited(self.files[path]) for path in paths if path in self.files)

    def keys(self, paths: Collection[Path]) -> list[Key]:
        """Of those of these files that could not be read."""
        return [self.files[path].key for path in paths if path in self.files]

    def forget_renamed(self, key: Key) -> None:
        """A file of this size and time appeared: those of them that are gone have another name now."""
        for path in [one.path for one in self.files.values() if one.key[1:] == key[1:] and is_gone(one.path)]:
            self.forget(path)

    def forget(self, path: Path) -> None:
        """It was handed over, renamed, or is gone."""
        self.files.pop(path, None)

    def _unnamed(self) -> Iterable[Unreadable]:
        return (file for file in self.files.values() if not file.named and file.next_s < math.inf)

    def _is_awaited(self, file: Unreadable) -> bool:
        return not file.named and self._clock() - file.since_s < WAIT_S


def _folder(key: Key) -> str:
    return key[0].rpartition("/")[0]
