"""Groups arriving frames into bursts and decides when a burst has ended.

The contract's `bursts.frames` decides which frames belong together. The rules here decide when to release a burst:
1. A burst has ended when none of its frames has arrived for `quiet_s`. Arrival time (monotonic) counts, not EXIF time:
   files may be copied from a card long after they were taken, in any order.
2. The burst rule cuts a long burst into pieces (by count or age). A piece is released when it is quiet, even if the
   animal stays; the next piece is marked `continues`. So a burst that never ends is released piece by piece.
3. When more than `_most` frames are open, the oldest piece is released at once. So the trap scores a whole card while
   it still reads it.
4. A piece that waits for an unreadable file stays open, and so do the pieces that continue it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.bursts.frames import Burst, BurstRule, Frame, bursts, same_event

_PIECES_KNOWN = 64  # released pieces to remember: a late frame may continue one of them

Waits = Callable[[Burst], bool]


def never(piece: Burst) -> bool:
    """Always False: no piece waits for a file."""
    return False


@dataclass(frozen=True)
class _Arrival:
    frame: Frame
    arrived_s: float


class BurstAssembler:
    """Keeps the frames of open bursts and releases the bursts that have ended.

    `quiet_s` is how long no frame may arrive before a burst has ended; by default the rule's gap and 2 s.
    """

    def __init__(self, rule: BurstRule, quiet_s: float | None = None) -> None:
        self._rule = rule
        self._quiet_s = rule.gap_s + 2.0 if quiet_s is None else quiet_s
        self._most = 4 * rule.max_frames
        self._open: list[_Arrival] = []
        self._released: deque[Burst] = deque(maxlen=_PIECES_KNOWN)  # the newest last

    def __len__(self) -> int:
        return len(self._open)

    def add(self, frames: Iterable[Frame], now_s: float) -> None:
        """Add frames that arrived at `now_s` (monotonic seconds)."""
        self._open += [_Arrival(frame, now_s) for frame in frames]

    def drop(self, path: Path) -> None:
        """Remove an open frame: its file was renamed or rewritten."""
        self._open = [one for one in self._open if one.frame.path != path]

    def take_back(self, piece: Sequence[Frame], frames: Iterable[Frame], now_s: float) -> None:
        """Make these frames of a released piece open again."""
        others = [one for one in self._released if one.frames != piece]
        self._released = deque(others, self._released.maxlen)
        self.add(frames, now_s)

    def due(self, now_s: float, waits: Waits = never) -> Iterator[Burst]:
        """Release the bursts that have ended by `now_s`, oldest first (rules 1, 2, 3)."""
        while self._open and (piece := self._first_due(now_s, waits)) is not None:
            yield self._release(piece)

    def surplus(self, waits: Waits = never) -> Burst | None:
        """Release the oldest burst when too many frames are open (rule 3), else None. Call it until it gives None."""
        if len(self._open) <= self._most:
            return None
        piece = next(self._pieces(waits), None)
        return None if piece is None else self._release(piece)

    def earlier(self, late: Burst) -> Burst | None:
        """The newest released piece of the same event, other than `late` itself; None when there is none."""
        for piece in reversed(self._released):
            if any(same_event(frame, late.frames[0], self._rule) for frame in piece.frames) and piece is not late:
                return piece
        return None

    def _release(self, piece: Burst) -> Burst:
        continues = bool(self._released) and same_event(self._released[-1].frames[-1], piece.frames[0], self._rule)
        gone = {frame.path for frame in piece.frames}
        self._open = [one for one in self._open if one.frame.path not in gone]
        self._released.append(Burst(piece.frames, continues or piece.continues))
        return self._released[-1]

    def _pieces(self, waits: Waits) -> Iterator[Burst]:
        """The open pieces that wait for no file (rule 4)."""
        waiting = False
        for piece in bursts([one.frame for one in self._open], self._rule):
            waiting = waits(piece) or (waiting and piece.continues)
            if not waiting:
                yield piece

    def _first_due(self, now_s: float, waits: Waits) -> Burst | None:
        arrived = {one.frame.path: one.arrived_s for one in self._open}
        pieces = list(self._pieces(waits))
        for piece in pieces:
            if now_s - max(arrived[frame.path] for frame in piece.frames) >= self._quiet_s:
                return piece
        return pieces[0] if pieces and len(self._open) > self._most else None
