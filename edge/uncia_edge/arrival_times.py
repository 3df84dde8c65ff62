"""When a frame was taken that does not say so itself.

Decides by the file's modification time, in two ways. A frame that was written within a burst's gap of the file before
it belongs beside it: it gets that frame's time and the seconds between the two files, so that one missing or absurd
EXIF time does not tear a burst apart. Otherwise it gets the file's own time. Both are guesses, and the record says so.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uncia_contract.errors import FrameError
from uncia_contract.frames import Frame


class ArrivalTimes:
    """Times for frames without one; frames are shown in order of arrival. `gap_s` is the burst rule's."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._last: tuple[datetime, float] | None = None  # of the last frame that told its own time; its file's time
        self._guessed: set[Path] = set()

    def timed(self, frame: Frame) -> Frame:
        """The frame with a time.

        Raises:
            FrameError: its file is gone.
        """
        try:
            written_s = frame.path.stat().st_mtime
        except OSError as error:
            raise FrameError(f"cannot be read: {error.strerror}") from error
        if frame.taken_at is not None:
            self._last = frame.taken_at, written_s
            return frame
        self._guessed.add(frame.path)
        return replace(frame, taken_at=self._beside_last(written_s) or _moment(written_s))

    def were_used(self, frames: Iterable[Frame]) -> bool:
        """Whether one of these frames got its time here; they are forgotten."""
        guessed = self._guessed & {frame.path for frame in frames}
        self._guessed -= guessed
        return bool(guessed)

    def _beside_last(self, written_s: float) -> datetime | None:
        if self._last is None or abs(written_s - self._last[1]) > self._gap_s:
            return None
        return self._last[0] + timedelta(seconds=written_s - self._last[1])


def _moment(seconds: float) -> datetime:
    """That many seconds after 1970 began; its beginning where that is no time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
