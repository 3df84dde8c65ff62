"""Frames that arrive one by one become bursts that have ended: the contract's rule, applied to a live camera.

Decides when a burst that is still open may be handed over. Which frames belong together is `bursts.frames`:
1. A burst has ended when no frame of it has arrived for `quiet_s`, measured by arrival (monotonic), not by EXIF: files
   may be copied from a card long after they were taken, in any order.
2. A piece that the rule cut (by count or age) is handed over as soon as it is quiet, although the visit goes on; what
   follows `continues` it. So a burst that never ends is handed over piece by piece.
3. More than `most` frames are not kept waiting: the oldest piece goes. So a whole card that comes at once is scored
   while it is read.
4. A piece that waits for a file which cannot be read now is left open, and what continues it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.bursts.frames import Burst, BurstRule, Frame, bursts, same_event

_PIECES_KNOWN = 64  # that a frame which comes late may continue

Waits = Callable[[Burst], bool]


def never(piece: Burst) -> bool:
    """No piece waits for a file."""
    return False


@dataclass(frozen=True)
class _Arrival:
    frame: Frame
    arrived_s: float


class BurstAssembler:
    """The frames of bursts that are still open."""

    def __init__(self, rule: BurstRule, quiet_s: float | None = None) -> None:
        self._rule = rule
        self._quiet_s = rule.gap_s + 2.0 if quiet_s is None else quiet_s
        self._most = 4 * rule.max_frames
        self._open: list[_Arrival] = []
        self._released: deque[Burst] = deque(maxlen=_PIECES_KNOWN)  # the newest last

    def __len__(self) -> int:
        return len(self._open)

    def add(self, frames: Iterable[Frame], now_s: float) -> None:
        """Take frames that have arrived."""
        self._open += [_Arrival(frame, now_s) for frame in frames]

    def drop(self, path: Path) -> None:
        """Forget an open frame: its file was renamed or written anew."""
        self._open = [one for one in self._open if one.frame.path != path]

    def take_back(self, piece: Sequence[Frame], frames: Iterable[Frame], now_s: float) -> None:
        """Open a piece that was handed over again, with these of its frames."""
        others = [one for one in self._released if one.frames != piece]
        self._released = deque(others, self._released.maxlen)
        self.add(frames, now_s)

    def due(self, now_s: float, waits: Waits = never) -> Iterator[Burst]:
        """The bursts that have ended by now, oldest first."""
        while self._open and (piece := self._first_due(now_s, waits)) is not None:
            yield self._release(piece)

    def surplus(self, waits: Waits = never) -> Burst | None:
        """The oldest burst where more than `most` frames are open (rule 3); there may be more of them."""
        if len(self._open) <= self._most:
            return None
        piece = next(self._pieces(waits), None)
        return None if piece is None else self._release(piece)

    def earlier(self, late: Burst) -> Burst | None:
        """The piece handed over before to whose visit this belongs."""
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
        """Those that need not wait (rule 4)."""
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
