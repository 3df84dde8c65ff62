"""The interface of cameras (`Camera`, `LiveCamera`) and the bursts that they give (`ArrivedBurst`).

Decides what a camera and the trap tell each other. `recorded`, `watched` and `picamera` implement the interface.
`WaitingCamera` wraps a live camera that may be absent when the trap starts.
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
# A camera that checks many files gives one heartbeat for this many.
FILES_A_HEARTBEAT = 16


class CameraAbsentError(DataError):
    """The camera is absent, perhaps only now: a card not mounted yet, a share offline, a loose ribbon cable."""


@dataclass(frozen=True)
class Failure:
    """A file that cannot be used as a picture, and why; `unreadable` if the camera will try to read it again."""

    file: Path
    reason: str
    unreadable: bool = False


@dataclass(frozen=True)
class ArrivedBurst:
    """A burst that has ended: its usable frames in order, and the files that failed the cheap check.

    Attributes:
        name: the camera's name for the burst.
        frames: in order; each has passed the cheap check.
        failures: the files that did not pass.
        continues: the burst rule cut a longer burst, and this piece follows another one.
        time_source: where the frames' times come from.
        owned: the files belong to the trap; no other program writes to them.
        patient: if a file of the burst cannot be read, the camera will give the burst again later.
        event_of: the name of the burst that this one continues, if that is not the one before it.
        camera: the id of the camera of a hub; empty for the trap itself.
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
    """A source of bursts."""

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Yield each burst once it has ended: without end from a live camera, to the last one of a recording."""

    def close(self) -> None:
        """End `bursts` soon. Safe to call from any thread and from a signal handler."""


@runtime_checkable
class LiveCamera(Camera, Protocol):
    """A camera that runs until it is closed, and keeps the bursts that could not be stored yet."""

    @property
    def problems(self) -> Sequence[str]:
        """What does not work, one text for each problem; the trap reports them to the base station."""

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """Give the current burst again later, also after a restart.

        Called when it could not be stored, or when these files of it could not be read.
        """

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """Note that the current burst was scored: the sha256 of its frames, and the files that could not be read.

        The burst is also stored, unless `retry_later` is called after this.
        """


class WaitingCamera:
    """A live camera that is opened as soon as it is there.

    A trap whose camera is absent still delivers its outbox and reports why there are no pictures. A restart would not
    help and would end these reports. `open_camera` is called every `RETRY_S` until it raises no `CameraAbsentError`;
    `heartbeat` is called once a second meanwhile.
    """

    def __init__(self, open_camera: Callable[[], LiveCamera], heartbeat: Callable[[], None] = lambda: None) -> None:
        self._open, self._heartbeat = open_camera, heartbeat
        self._closing = threading.Event()
        self._camera: LiveCamera | None = None
        self._absent: str | None = None
        self._try()

    @property
    def problems(self) -> Sequence[str]:
        """Why the camera is absent, or the camera's own problems."""
        if self._camera is None:
            return [f"no camera: {self._absent}"]
        return self._camera.problems

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Wait until the camera is there, then yield its bursts."""
        while self._camera is None and not self._wait():
            self._try()
        if self._camera is not None and not self._closing.is_set():
            yield from self._camera.bursts()

    @property
    def is_idle(self) -> bool:
        """Whether every complete file of a watched folder was handed over; False while the camera is absent."""
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
        """Wait until the next attempt is due; True if the camera was closed meanwhile."""
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
                _log.error("%s; the trap goes on delivering and tries again every %g s", error, RETRY_S)
            self._absent = str(error)
            return
        if self._absent is not None:
            _log.info("the camera is there now")


def read_frame(path: Path, zone: tzinfo) -> Frame:
    """Check a JPEG file cheaply (it is not decoded) and return its frame.

    `zone` is the zone of EXIF times that name no offset.

    Raises:
        UnreadableError: the file cannot be read: an input/output error, a share offline, no permission.
        FrameError: the file is empty, not a JPEG, truncated or far too large.
    """
    try:
        with path.open("rb") as picture:
            check_jpeg(picture)
            told = jpeg_taken(picture, zone, path.name)
            return Frame(path.name, path, told.at, told)
    except OSError as error:
        raise undecodable(error) from error
