"""The camera `recorded`: folders of pictures, each folder a burst, whatever its times (DESIGN 3, 6).

Decides which files are pictures and in which order a recorded burst plays. Frames stay where they lie; the outbox takes
copies of what is positive.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_contract.archive import is_picture
from uncia_contract.errors import DataError, FrameError
from uncia_contract.frames import Frame
from uncia_edge.cameras import ArrivedBurst, Failure, TimeSource, arrive


class RecordedCamera:
    """Plays a folder of recorded bursts, in order of the folders' names."""

    def __init__(self, folder: Path, zone: tzinfo = UTC) -> None:
        """Finds the bursts; their files are read one burst at a time.

        Args:
            folder: every folder below it (and itself) that holds pictures is a recorded burst.
            zone: of EXIF times that name no offset.

        Raises:
            DataError: no such folder, or there is no picture in it.
        """
        self._zone = zone
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; expected one with recorded bursts (a folder of JPEGs each)")
        self.folder = folder
        self.folders = _burst_folders(folder)
        if not self.folders:
            raise DataError(f"{folder}: no pictures in it; expected folders of JPEGs, each folder a burst")

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each folder as one burst."""
        for folder in self.folders:
            name = folder.relative_to(self.folder).as_posix()
            yield recorded_burst(self.folder.name if name == "." else name, _pictures(folder), self._zone)


def recorded_burst(name: str, files: Sequence[Path], zone: tzinfo = UTC) -> ArrivedBurst:
    """These files as one burst: in order of EXIF time, ties and files without a time by name."""
    frames: list[Frame] = []
    failures: list[Failure] = []
    for path in files:
        try:
            frames.append(arrive(path, zone))
        except FrameError as error:
            failures.append(Failure(path, str(error)))
    ordered = tuple(sorted(frames, key=lambda frame: frame.order))
    source: TimeSource = "exif" if any(frame.taken_at for frame in ordered) else "none"
    return ArrivedBurst(name, ordered, tuple(failures), time_source=source)


def _burst_folders(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.rglob("*") if is_picture(path) and path.is_file()})


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())
