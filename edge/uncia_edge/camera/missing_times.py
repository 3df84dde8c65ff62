"""Estimates the time of a frame without a usable EXIF time, from its file's modification time.

1. If the file was written into the same folder and within a burst's gap of the last frame with an EXIF time, the frame
   gets that frame's time plus the seconds between the two files. So one missing or absurd EXIF time does not split a
   burst.
2. Otherwise it gets the file's modification time. So pictures of another camera, copied at the same time, do not join
   a burst of this one. If the camera's clock was reset, that clock still shows which frames belong together
   (`Frame.moment`).
Both are guesses, and the record says so (`time_source`).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uncia_contract.bursts.frames import Frame
from uncia_contract.pictures.jpeg import undecodable


class MissingTimes:
    """Gives a time to each frame that has none. Frames must come in order of arrival; `gap_s` is the burst rule's."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        # Of the last frame with an EXIF time: that time, its file's modification time, and its folder.
        self._last: tuple[datetime, float, Path] | None = None
        self._guessed: set[Path] = set()

    def timed(self, frame: Frame) -> Frame:
        """The frame with a time: its own, or an estimated one.

        Raises:
            UnreadableError: the file is gone, or its folder cannot be read.
        """
        try:
            written_s = frame.path.stat().st_mtime
        except OSError as error:
            raise undecodable(error) from error
        if frame.taken_at is not None:
            self._last = frame.taken_at, written_s, frame.path.parent
            return frame
        self._guessed.add(frame.path)
        beside = self._beside_last(frame.path, written_s)
        if beside is None:
            return replace(frame, taken_at=_moment(written_s))
        return replace(frame, taken_at=beside, taken=replace(frame.taken, clock=None))

    def note(self, frames: Iterable[Frame]) -> None:
        """Remember again that the times of these frames were estimated here."""
        self._guessed.update(frame.path for frame in frames)

    def were_used(self, frames: Iterable[Frame]) -> bool:
        """Whether the time of one of these frames was estimated here; afterwards they are forgotten."""
        guessed = self._guessed & {frame.path for frame in frames}
        self._guessed -= guessed
        return bool(guessed)

    def _beside_last(self, path: Path, written_s: float) -> datetime | None:
        if self._last is None:
            return None
        taken_at, last_s, folder = self._last
        if path.parent != folder or abs(written_s - last_s) > self._gap_s:
            return None
        return taken_at + timedelta(seconds=written_s - last_s)


def _moment(seconds: float) -> datetime:
    """The UTC time of a Unix timestamp; the start of 1970 if it is out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
