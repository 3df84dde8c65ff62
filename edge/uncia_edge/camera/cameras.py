"""What a camera hands over: bursts that have ended, with what could not be used named.

Decides the seam between cameras and the trap. `recorded` reads folders; other cameras stand behind the same Protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from uncia_contract.bursts.frames import Frame
from uncia_contract.errors import DataError, FrameError
from uncia_contract.pictures.jpeg import check_jpeg, jpeg_taken

TimeSource = Literal["trap", "exif", "none"]
# A camera that looks at many files gives a heartbeat each time it has looked at so many.
FILES_A_HEARTBEAT = 16


class CameraAbsentError(DataError):
    """A camera that is not there now, and may come: a card not mounted yet, a share that is away, a loose ribbon."""


@dataclass(frozen=True)
class Failure:
    """A file that is no usable picture, and why."""

    file: Path
    reason: str


@dataclass(frozen=True)
class ArrivedBurst:
    """A burst that has ended: its usable frames in order, and the files that failed the cheap check.

    `name` is what the camera calls it; `continues` that the rule cut a burst which went on; `time_source` where the
    frames' times come from; `owned` that the files are the trap's own, so that nobody else writes into them.
    """

    name: str
    frames: tuple[Frame, ...]
    failures: tuple[Failure, ...] = ()
    continues: bool = False
    time_source: TimeSource = "exif"
    owned: bool = False


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

    def retry_later(self) -> None:
        """The current burst could not be stored: it is handed over again later, also after a restart."""


def read_frame(path: Path, zone: tzinfo) -> Frame:
    """The frame in a file, after the cheap check that every file gets.

    Raises:
        FrameError: empty, not a JPEG, truncated, absurdly large or unreadable.
    """
    try:
        with path.open("rb") as picture:
            check_jpeg(picture)
            told = jpeg_taken(picture, zone, path.name)
            return Frame(path.name, path, told.at, told)
    except OSError as error:
        raise FrameError(f"cannot be read: {error.strerror}") from error
