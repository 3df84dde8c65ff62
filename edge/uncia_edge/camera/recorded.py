"""The camera `recorded`: plays folders of pictures; a folder is one burst, or a part of a camera's card.

Decides which folders are bursts, in which order they play, and when (DESIGN 3, 6).
#1 Folders below `DCIM`, and folders that continue each other by the archive's rule (`archive.visits`), are one
   camera's card. Its pictures are cut into bursts by their times.
#2 Any other folder is one burst, whatever the times of its pictures.
Files are not moved; the outbox copies those of positive bursts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal

from uncia_contract.archive.visits import archive_of, is_below_dcim
from uncia_contract.bursts.frames import BurstRule, Frame, bursts, in_order
from uncia_contract.errors import FrameError
from uncia_contract.messages.records import MAX_FRAMES
from uncia_contract.pictures.picture_files import LeftOut
from uncia_edge.camera.cameras import ArrivedBurst, Failure, TimeSource, read_frame
from uncia_edge.camera.missing_times import MissingTimes


class RecordedCamera:
    """Plays a folder of recordings in order of the folders' names; the bursts of a card in order of time."""

    def __init__(
        self,
        folder: Path,
        zone: tzinfo = UTC,
        rule: BurstRule | None = None,
        group: Literal["folders", "times"] = "folders",
        pace: float = 0.0,
        heartbeat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Find the folders. Files are read later: one burst at a time, or all those of a card at once.

        Args:
            folder: it and every folder below it that holds pictures is a burst, or a part of a card.
            zone: the zone of EXIF times that name no offset.
            rule: cuts a card into bursts; by default the contract's rule.
            group: `times` treats all pictures below the folder as one card.
            pace: how fast to play: 1 as recorded, 60 an hour in a minute, 0 without waiting.
            heartbeat: called while files are read and while it waits.
            clock: monotonic seconds.

        Raises:
            DataError: no such folder, or no picture in it.
        """
        self._zone, self._rule, self._pace, self._heartbeat, self._clock = zone, rule, pace, heartbeat, clock
        self._closing = threading.Event()
        self.folder, self._archive = folder, archive_of(folder, zone)
        cards = {trap: self._archive.folders(trap) for trap in self._archive.traps}
        if group == "times":
            cards = {"": [folder for trap in cards for folder in cards[trap]]}
        self._cards = sorted(cards.values(), key=lambda folders: folders[0].split("/"))
        self._all_by_times = group == "times"

    @property
    def unreadable(self) -> list[str]:
        """A line for each folder that could not be listed; the others play."""
        return self._archive.notes.unreadable

    @property
    def left_out(self) -> Mapping[LeftOut, int]:
        """How many pictures below the folder are not played, by reason."""
        return self._archive.notes.left_out

    @property
    def total(self) -> int | None:
        """How many bursts there are; None if the pictures' times must be read first."""
        return None if any(map(self._is_card, self._cards)) else len(self._cards)

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Yield each burst when it is due (see `pace`)."""
        last: tuple[datetime, float] | None = None
        for burst in self._recorded():
            began_at = next((frame.taken_at for frame in burst.frames if frame.taken_at), None)
            if self._pace and last and began_at:
                self._wait_until(last[1] + (began_at - last[0]).total_seconds() / self._pace)
            if self._closing.is_set():
                return
            if began_at:
                last = began_at, self._clock()
            yield burst

    def close(self) -> None:
        """End `bursts` soon."""
        self._closing.set()

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - self._clock()) > 0 and not self._closing.wait(min(left_s, 1.0)):
            self._heartbeat()

    def _is_card(self, folders: Sequence[str]) -> bool:
        """#1."""
        return self._all_by_times or len(folders) > 1 or is_below_dcim(self.folder / folders[0])

    def _recorded(self) -> Iterator[ArrivedBurst]:
        for folders in self._cards:
            paths = [self.folder / file.name for folder in folders for file in self._archive.files_in(folder)]
            if self._is_card(folders):
                yield from self._by_times(self._name(folders[0]), paths)
            elif paths:
                yield from _pieces(recorded_burst(self._name(folders[0]), paths, self._zone))

    def _name(self, folder: str) -> str:
        return folder or self.folder.name

    def _by_times(self, card: str, paths: Sequence[Path]) -> Iterator[ArrivedBurst]:
        """The bursts of a card. All files that cannot be used are failures of the first burst."""
        rule = self._rule or BurstRule()
        times, frames, failures = MissingTimes(rule.gap_s), list[Frame](), list[Failure]()
        for path in paths:
            self._heartbeat()
            try:
                frames.append(times.timed(read_frame(path, self._zone)))
            except FrameError as error:
                failures.append(Failure(path, str(error)))
        if failures and not frames:
            yield ArrivedBurst(card, (), tuple(failures))
        for burst in bursts(frames, rule):
            name = burst.frames[0].path.relative_to(self.folder).as_posix()
            source: TimeSource = "none" if times.were_used(burst.frames) else "exif"
            yield ArrivedBurst(name, burst.frames, tuple(failures), burst.continues, source)
            failures = []


def recorded_burst(name: str, files: Sequence[Path], zone: tzinfo = UTC) -> ArrivedBurst:
    """These files as one burst, in order of EXIF time; equal times and files without a time by name."""
    frames: list[Frame] = []
    failures: list[Failure] = []
    for path in files:
        try:
            frames.append(read_frame(path, zone))
        except FrameError as error:
            failures.append(Failure(path, str(error)))
    ordered = tuple(in_order(frames))
    source: TimeSource = "exif" if any(frame.taken_at for frame in ordered) else "none"
    return ArrivedBurst(name, ordered, tuple(failures), time_source=source)


def _pieces(burst: ArrivedBurst) -> Iterator[ArrivedBurst]:
    """The burst in pieces of at most `MAX_FRAMES` frames, the most that one record can hold."""
    yield replace(burst, frames=burst.frames[:MAX_FRAMES])
    for start in range(MAX_FRAMES, len(burst.frames), MAX_FRAMES):
        yield replace(burst, frames=burst.frames[start : start + MAX_FRAMES], failures=(), continues=True)
