"""What a camera hands over: bursts that have ended, with what could not be used named.

Decides the seam between cameras and the trap. `recorded` reads folders; other cameras stand behind the same Protocol,
and behind `WaitingCamera` need not be there yet.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from uncia_contract.bursts.frames import Frame
from uncia_contract.errors import DataError
from uncia_contract.pictures.jpeg import check_jpeg, jpeg_taken, undecodable

_log = logging.getLogger(__name__)

RETRY_S = 10.0  # from one attempt to open an absent camera to the next
TimeSource = Literal["trap", "exif", "none"]
# A camera that looks at many files gives a heartbeat each time it has looked at so many.
FILES_A_HEARTBEAT = 16


class CameraAbsentError(DataError):
    """A camera that is not there now, and may come: a card not mounted yet, a share that is away, a loose ribbon."""


@dataclass(frozen=True)
class Failure:
    """A file that is no usable picture, and why; `unreadable` where the camera tries to read it again."""

    file: Path
    reason: str
    unreadable: bool = False


@dataclass(frozen=True)
class ArrivedBurst:
    """A burst that has ended: its usable frames in order, and the files that failed the cheap check.

    `name` is what the camera calls it; `continues` that the rule cut a burst which went on; `time_source` where the
    frames' times come from; `owned` that the files are the trap's own, so that nobody else writes into them. `patient`
    says that the camera hands the burst over again where a file of it cannot be read; `event_of` names the burst that
    it continues where that is not the one before it; `camera` which camera of a hub it is of.
    """

    name: str
    frames: tuple[Frame, ...]
    failures: tuple[Failure, ...] = ()
    continues: bool = False
    time_source: TimeSource = "exif"
    owned: bool = False
    patient: bool = False
    event_of: str = ""
    camera: str = ""


class Camera(Protocol):
    """Where bursts come from."""

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each burst once it has ended: for ever from a live camera, to the end of a recording."""

    def close(self) -> None:
        """End `bursts` soon. Safe to call from any thread and from a signal handler."""


@runtime_checkable
class LiveCamera(Camera, Protocol):
    """A camera that goes on until it is closed, and keeps what could not be stored yet."""

    @property
    def problems(self) -> Sequence[str]:
        """What of it does not work, for the base station."""

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """The current burst is handed over again later, also after a restart.

        It could not be stored, or these files of it could not be read.
        """

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """The current burst was scored: the sha256 of its frames, and which files of it could not be read.

        It is safe, too, unless `retry_later` is called after this.
        """


class WaitingCamera:
    """The live camera that `open_camera` returns, now or later; `heartbeat` is called while it is waited for.

    A trap whose camera is absent delivers what waits and reports why there are no pictures; a restart would not help,
    and would end the reports.
    """

    def __init__(self, open_camera: Callable[[], LiveCamera], heartbeat: Callable[[], None] = lambda: None) -> None:
        self._open, self._heartbeat = open_camera, heartbeat
        self._closing = threading.Event()
        self._camera: LiveCamera | None = None
        self._absent: str | None = None
        self._try()

    @property
    def problems(self) -> Sequence[str]:
        """Why it is absent, or what of the camera does not work."""
        if self._camera is None:
            return [f"no camera: {self._absent}"]
        return self._camera.problems

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Those of the camera, once it is there."""
        while self._camera is None and not self._wait():
            self._try()
        if self._camera is not None and not self._closing.is_set():
            yield from self._camera.bursts()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that a watched folder has is left to be decided."""
        return bool(getattr(self._camera, "is_idle", False))

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """See `LiveCamera`."""
        if self._camera is not None:
            self._camera.retry_later(unreadable)

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """See `LiveCamera`."""
        if self._camera is not None:
            self._camera.decided(contents, unreadable)

    def close(self) -> None:
        """See `LiveCamera`."""
        self._closing.set()
        if self._camera is not None:
            self._camera.close()

    def _wait(self) -> bool:
        """Whether it was closed before the next attempt."""
        for _ in range(round(RETRY_S)):
            self._heartbeat()
            if self._closing.wait(1.0):
                return True
        return False

    def _try(self) -> None:
        try:
            self._camera = self._open()
        except CameraAbsentError as error:
            if self._absent is None:
                _log.error("%s; the trap delivers what it has, and looks again every %g s", error, RETRY_S)
            self._absent = str(error)
            return
        if self._absent is not None:
            _log.info("the camera is there")


def read_frame(path: Path, zone: tzinfo) -> Frame:
    """The frame in a file, after the cheap check that every file gets.

    Raises:
        UnreadableError: the card, the share or its rights refuse.
        FrameError: empty, not a JPEG, truncated or absurdly large.
    """
    try:
        with path.open("rb") as picture:
            check_jpeg(picture)
            told = jpeg_taken(picture, zone, path.name)
            return Frame(path.name, path, told.at, told)
    except OSError as error:
        raise undecodable(error) from error
