"""Frames that arrive one by one become bursts that have ended: the contract's rule, applied to a live camera.

Decides when a burst that is still open may be handed over. Which frames belong together is `bursts.frames`:
1. A burst has ended when no frame of it has arrived for `quiet_s`, measured by arrival (monotonic), not by EXIF: files
   may be copied from a card long after they were taken, in any order.
2. A piece that the rule cut (by count or age) is handed over as soon as it is quiet, although the visit goes on; what
   follows `continues` it. So a burst that never ends is handed over piece by piece.
3. More than `most` frames are not kept waiting: the oldest piece goes. So a whole card that comes at once is scored
   while it is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from uncia_contract.bursts.frames import Burst, BurstRule, Frame, bursts, same_event


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
        self._last: Frame | None = None  # of the piece handed over last

    def __len__(self) -> int:
        return len(self._open)

    def add(self, frames: Iterable[Frame], now_s: float) -> None:
        """Take frames that have arrived."""
        self._open += [_Arrival(frame, now_s) for frame in frames]

    def due(self, now_s: float) -> list[Burst]:
        """The bursts that have ended by now, oldest first."""
        ended = []
        while self._open and (piece := self._first_due(now_s)) is not None:
            ended.append(self._release(piece))
        return ended

    def surplus(self) -> Burst | None:
        """The oldest burst where more than `most` frames are open (rule 3); there may be more of them."""
        if len(self._open) <= self._most:
            return None
        return self._release(next(bursts([one.frame for one in self._open], self._rule)))

    def _release(self, piece: Burst) -> Burst:
        continues = self._last is not None and same_event(self._last, piece.frames[0], self._rule)
        self._last = piece.frames[-1]
        gone = {frame.path for frame in piece.frames}
        self._open = [one for one in self._open if one.frame.path not in gone]
        return Burst(piece.frames, continues or piece.continues)

    def _first_due(self, now_s: float) -> Burst | None:
        arrived = {one.frame.path: one.arrived_s for one in self._open}
        pieces = list(bursts([one.frame for one in self._open], self._rule))
        for piece in pieces:
            if now_s - max(arrived[frame.path] for frame in piece.frames) >= self._quiet_s:
                return piece
        return pieces[0] if len(self._open) > self._most else None
