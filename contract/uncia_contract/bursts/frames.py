"""Frames, the burst rule, and how frames are grouped into bursts (DESIGN 3).

Decides which frames belong together, from their times, the maker's notes and the camera's own file numbers (DCF:
`100MEDIA/IMG_0001.JPG` to 9999). File numbers keep counting when a clock is set back. A name given by a person has no
file number.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta, Struct

from uncia_contract.pictures.exif import Taken

_LAST = 9999
# Before the number: four characters that the maker chooses, or (Bushnell) month and day.
_NAME = re.compile(r"((?=.{0,3}[A-Z_])[A-Z0-9_]{4}|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(\d{4})", re.IGNORECASE)
DCF_FOLDER = re.compile(r"([1-9]\d\d)[A-Z0-9_]{5}", re.IGNORECASE)


@dataclass(frozen=True)
class FileNumber:
    """A camera's file number: `counter` is the path above the camera's folders with the letters of the file name."""

    counter: str
    folder: int
    number: int

    def follows(self, other: "FileNumber") -> bool:
        """Whether this is the next number: one more, 1 after 9999, or the first number of the next folder."""
        begins = self.folder == other.folder + 1 and self.number <= 1
        return begins or (self.number - other.number) % _LAST == 1


def file_number(path: PurePosixPath) -> FileNumber | None:
    """The camera's number in a file's name; None where the name does not have a camera's form."""
    found = _NAME.fullmatch(path.stem)
    if found is None:
        return None
    letters = "" if found[1].isdigit() else found[1].upper()
    folder = DCF_FOLDER.fullmatch(path.parent.name)
    place = path.parent.parent if folder else path.parent
    return FileNumber(f"{place}/{letters}", int(folder[1]) if folder else 0, int(found[2]))


@dataclass(frozen=True)
class Frame:
    """One recorded picture: its name within the burst, the path of its file, and when it was taken.

    `taken_at` is an aware UTC datetime, or has no zone where none is known; None where the time is not known.
    `taken` holds what the picture's header says: the camera's clock, even an impossible one, and the trigger's number.
    """

    name: str
    path: Path
    taken_at: datetime | None = None
    taken: Taken = field(default_factory=Taken)

    @cached_property
    def moment(self) -> datetime | None:
        """The time to sort by: the header's time, else the camera's clock, else `taken_at`; UTC if it has no zone."""
        shown = self.taken.at or self.taken.clock or self.taken_at
        return shown if shown is None or shown.tzinfo else shown.replace(tzinfo=UTC)

    @cached_property
    def number(self) -> FileNumber | None:
        """The camera's number in the file's name; None where there is none."""
        return file_number(PurePosixPath(self.path if self.path.name else self.name))

    @property
    def clock_was_reset(self) -> bool:
        """Whether the camera's clock showed a day on which clocks start: 1 January, or any day before 1990."""
        clock = self.taken.clock
        return clock is not None and (clock.year < 1990 or (clock.month, clock.day) == (1, 1))


class BurstRule(Struct, frozen=True):
    """When a burst ends. It is part of the bundle, so that training and trap form the same bursts.

    `gap_s` is measured from the previous frame, `max_duration_s` from the first; both are seconds.
    """

    gap_s: Annotated[float, Meta(gt=0)] = 10.0
    max_frames: Annotated[int, Meta(ge=1, le=1000)] = 30
    max_duration_s: Annotated[float, Meta(gt=0)] = 120.0


@dataclass(frozen=True)
class Burst:
    """Frames that form one sequence, in order; `continues` is True where a limit cut it off from the burst before."""

    frames: tuple[Frame, ...]
    continues: bool = False


def same_event(previous: Frame, frame: Frame, rule: BurstRule) -> bool:
    """Whether two frames are close enough in time to be in one burst.

    #1 They are at most `gap_s` apart. #2 A frame without a time is a burst of its own. #5 Frames with the same trigger
    number of the same camera may be up to `max_duration_s` apart. Different trigger numbers do not separate frames,
    because an animal that stays triggers the camera again.
    """
    if previous.moment is None or frame.moment is None:
        return False
    apart_s = abs((frame.moment - previous.moment).total_seconds())
    return apart_s <= (rule.max_duration_s if _one_trigger(previous, frame) else rule.gap_s)


def _one_trigger(one: Frame, other: Frame) -> bool:
    return (
        one.taken.note is not None
        and other.taken.note is not None
        and (one.taken.camera, one.taken.note.event) == (other.taken.camera, other.taken.note.event)
    )


def is_full(frames: Sequence[Frame], frame: Frame, rule: BurstRule) -> bool:
    """Whether a burst must end before this frame (#3 `max_frames` is reached, #4 `max_duration_s` is exceeded)."""
    first = frames[0].moment
    too_old = (
        first is not None
        and frame.moment is not None
        and abs((frame.moment - first).total_seconds()) > rule.max_duration_s
    )
    return too_old or len(frames) >= rule.max_frames


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """The frames sorted by time, then by the camera's file number, then by name; frames without a time come last."""
    found = list(frames)
    rank = ranks(frame.number for frame in found if frame.number)

    def key(frame: Frame) -> tuple[bool, float, str, int, str, str]:
        counter, place = (frame.number.counter, rank[frame.number]) if frame.number else ("", 0)
        moment = 0.0 if frame.moment is None else frame.moment.timestamp()
        return frame.moment is None, moment, counter, place, frame.name, str(frame.path)

    return sorted(found, key=key)


def bursts(frames: Iterable[Frame], rule: BurstRule) -> Iterator[Burst]:
    """The bursts that the frames of one trap form, in order of time; the frames may come in any order.

    A burst that reaches a limit (#3, #4) is cut; each piece after the first has `continues`. Where file numbers show
    that the clock was set back, frames before and after that are never in one burst (`_clock_runs`).
    """
    ordered = in_order(frames)
    runs = _clock_runs(ordered, rule)
    if not any(runs):
        yield from _cut(ordered, rule)
        return
    parts: dict[int, list[Frame]] = {}
    for frame, run in zip(ordered, runs, strict=True):
        parts.setdefault(run, []).append(frame)
    place = {frame: index for index, frame in enumerate(ordered)}
    cut = (burst for part in parts.values() for burst in _cut(part, rule))
    yield from sorted(cut, key=lambda burst: place[burst.frames[0]])


def _cut(frames: Iterable[Frame], rule: BurstRule) -> Iterator[Burst]:
    current: list[Frame] = []
    continues = False
    for frame in frames:
        if current and not any(same_event(one, frame, rule) for one in reversed(current)):
            yield Burst(tuple(current), continues)
            current, continues = [], False
        elif current and is_full(current, frame, rule):
            yield Burst(tuple(current), continues)
            current, continues = [], True
        current.append(frame)
    if current:
        yield Burst(tuple(current), continues)


def _clock_runs(frames: Sequence[Frame], rule: BurstRule) -> list[int]:
    """For each frame, how often the clock had been set back before it, according to the camera's file numbers.

    #6 The clock was set back where a higher number has a time more than `gap_s` earlier: it was corrected or reset, or
    an hour was repeated in autumn. If more than one in ten numbers shows this, the numbers give no order and are not
    used. #7 Between two frames whose clock was reset (`clock_was_reset`), any earlier time counts, and so does a gap in
    the numbers: two visits may start at the same time of such a clock.
    """
    rank = ranks(frame.number for frame in frames if frame.number)
    counted: dict[str, list[tuple[int, int]]] = {}
    for index, frame in enumerate(frames):
        if frame.number is not None and frame.moment is not None:
            counted.setdefault(frame.number.counter, []).append((rank[frame.number], index))
    runs = [0] * len(frames)
    for places in counted.values():
        steps = list(pairwise(index for _, index in sorted(places)))
        back = [_clock_step_back_s(frames[before], frames[after]) > rule.gap_s for before, after in steps]
        if sum(back) > max(1, len(steps) // 10):
            continue
        run = 0
        for (before, after), set_back in zip(steps, back, strict=True):
            run += set_back or _clock_restarted(frames[before], frames[after])
            runs[after] = run
    return runs


def _clock_step_back_s(before: Frame, after: Frame) -> float:
    if before.moment is None or after.moment is None:
        return 0.0
    return (before.moment - after.moment).total_seconds()


def _clock_restarted(before: Frame, after: Frame) -> bool:
    """Whether the clock started again between two frames (#7)."""
    if not (before.clock_was_reset and after.clock_was_reset) or before.number is None or after.number is None:
        return False
    return _clock_step_back_s(before, after) > 0 or not (
        after.number == before.number or after.number.follows(before.number)
    )


def ranks(numbers: Iterable[FileNumber]) -> dict[FileNumber, int]:
    """For each number, a rank in the order in which the camera wrote; 9999 comes before 1 where the numbers wrapped."""
    folders: dict[tuple[str, int], set[int]] = {}
    for one in numbers:
        folders.setdefault((one.counter, one.folder), set()).add(one.number)
    found = {}
    for (counter, folder), present in folders.items():
        first = _first(sorted(present))
        for number in present:
            found[FileNumber(counter, folder, number)] = folder * (_LAST + 1) + (number - first) % (_LAST + 1)
    return found


def _first(present: list[int]) -> int:
    """The first number that was written in a folder: the one after the longest run of missing numbers."""
    before = [present[-1] - _LAST, *present[:-1]]
    return max(zip(present, before, strict=True), key=lambda pair: pair[0] - pair[1])[0]
