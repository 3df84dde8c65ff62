"""What a frame and a burst are, and how frames become bursts (DESIGN 3).

Decides which frames belong together. Where frames come from is the camera's business, what they show the classifier's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


@dataclass(frozen=True)
class Frame:
    """One recorded picture: its name within the burst, where its bytes lie, and when it was taken.

    `taken_at` is an aware UTC datetime, None where neither camera nor file tells.
    """

    name: str
    path: Path
    taken_at: datetime | None = None

    @property
    def order(self) -> tuple[bool, float, str, str]:
        """Sorts by time, ties by name; frames without a time come last."""
        known = self.taken_at is not None
        return (not known, self.taken_at.timestamp() if self.taken_at else 0.0, self.name, str(self.path))


class BurstRule(Struct, frozen=True):
    """When a burst ends. Travels in the bundle, so that training and trap cut alike.

    `gap_s` is measured from the previous frame, `max_duration_s` from the first.
    """

    gap_s: Annotated[float, Meta(gt=0)] = 10.0
    max_frames: Annotated[int, Meta(ge=1, le=1000)] = 30
    max_duration_s: Annotated[float, Meta(gt=0)] = 120.0


@dataclass(frozen=True)
class Burst:
    """Frames that form one sequence, in order; `continues` where the rule cut a burst that went on."""

    frames: tuple[Frame, ...]
    continues: bool = False


def same_event(previous: Frame, frame: Frame, rule: BurstRule) -> bool:
    """Whether a frame follows the previous one closely enough to show the same visit.

    #1 No further apart than `gap_s`. #2 A frame without a time follows nothing: it stands alone.
    """
    if previous.taken_at is None or frame.taken_at is None:
        return False
    return abs((frame.taken_at - previous.taken_at).total_seconds()) <= rule.gap_s


def is_full(frames: Sequence[Frame], frame: Frame, rule: BurstRule) -> bool:
    """Whether a burst must close before it takes one more frame (#3 by count, #4 by age)."""
    first = frames[0].taken_at
    too_old = (
        first is not None
        and frame.taken_at is not None
        and abs((frame.taken_at - first).total_seconds()) > rule.max_duration_s
    )
    return too_old or len(frames) >= rule.max_frames


def bursts(frames: Iterable[Frame], rule: BurstRule) -> Iterator[Burst]:
    """The bursts among the frames of one trap, in order of time; the order of arrival does not matter.

    A burst that never ends is cut by count and age; each piece after the first `continues` the one before.
    """
    current: list[Frame] = []
    continues = False
    for frame in sorted(frames, key=lambda frame: frame.order):
        if current and not same_event(current[-1], frame, rule):
            yield Burst(tuple(current), continues)
            current, continues = [], False
        elif current and is_full(current, frame, rule):
            yield Burst(tuple(current), continues)
            current, continues = [], True
        current.append(frame)
    if current:
        yield Burst(tuple(current), continues)
