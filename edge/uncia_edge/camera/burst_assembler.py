"""Frames that arrive one by one become bursts that have ended: the contract's rule, applied to a live camera.

Decides when a burst that is still open may be handed over. Which frames belong together is `bursts.frames`:
1. A burst has ended when no frame of it has arrived for `quiet_s`, measured by arrival (monotonic), not by EXIF: files
   may be copied from a card long after they were taken, in any order.
2. A piece that the rule cut (by count or age) is handed over as soon as it is quiet, although the visit goes on; what
   follows `continues` it. So a burst that never ends is handed over piece by piece.
3. More than `most` held frames are not kept waiting: the oldest piece goes. So a whole card that comes at once is
   worked off while it is read.
"""

from dataclasses import dataclass

from uncia_contract.bursts.frames import Burst, BurstRule, Frame, bursts, same_event


@dataclass(frozen=True)
class _Held:
    frame: Frame
    arrived_s: float


class Gathering:
    """The frames of bursts that are still open."""

    def __init__(self, rule: BurstRule, quiet_s: float | None = None) -> None:
        self._rule = rule
        self._quiet_s = rule.gap_s + 2.0 if quiet_s is None else quiet_s
        self._most = 4 * rule.max_frames
        self._held: list[_Held] = []
        self._last: Frame | None = None  # of the piece handed over last

    def __len__(self) -> int:
        return len(self._held)

    def add(self, frame: Frame, now_s: float) -> None:
        """A frame has arrived."""
        self._held.append(_Held(frame, now_s))

    def due(self, now_s: float) -> list[Burst]:
        """The bursts that have ended by now, oldest first."""
        ended = []
        while self._held and (piece := self._first_due(now_s)) is not None:
            ended.append(self._release(piece))
        return ended

    def crowded(self) -> Burst | None:
        """The oldest burst where more than `most` frames are held (rule 3); there may be more of them."""
        if len(self._held) <= self._most:
            return None
        return self._release(next(bursts([held.frame for held in self._held], self._rule)))

    def _release(self, piece: Burst) -> Burst:
        continues = self._last is not None and same_event(self._last, piece.frames[0], self._rule)
        self._last = piece.frames[-1]
        gone = {frame.path for frame in piece.frames}
        self._held = [held for held in self._held if held.frame.path not in gone]
        return Burst(piece.frames, continues or piece.continues)

    def _first_due(self, now_s: float) -> Burst | None:
        arrived = {held.frame.path: held.arrived_s for held in self._held}
        pieces = list(bursts([held.frame for held in self._held], self._rule))
        for piece in pieces:
            if now_s - max(arrived[frame.path] for frame in piece.frames) >= self._quiet_s:
                return piece
        return pieces[0] if len(self._held) > self._most else None
