"""When a frame was taken that does not say so itself.

Decides by the file's modification time, in two ways. A frame that was written within a burst's gap of the file before
it, and into the same folder, belongs beside it: it gets that frame's time and the seconds between the two files, so
that one missing or absurd EXIF time does not tear a burst apart. Otherwise it gets the file's own time: pictures of
another camera, copied at the same time, join no burst of this one; where its clock was reset, that clock still shows
which of them belong together (`Frame.moment`). Both are guesses, and the record says so.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uncia_contract.bursts.frames import Frame
from uncia_contract.pictures.jpeg import undecodable


class MissingTimes:
    """Gives frames without a time one; frames come in order of arrival. `gap_s` is the burst rule's."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        # Of the last frame that told its own time: that, its file's time, and its folder.
        self._last: tuple[datetime, float, Path] | None = None
        self._guessed: set[Path] = set()

    def timed(self, frame: Frame) -> Frame:
        """The frame with a time.

        Raises:
            UnreadableError: its file is gone, or its folder cannot be read.
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
        """These frames come again with the times that they got here."""
        self._guessed.update(frame.path for frame in frames)

    def were_used(self, frames: Iterable[Frame]) -> bool:
        """Whether one of these frames got its time here; they are forgotten."""
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
    """That many seconds after 1970 began; its beginning where that is no time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
