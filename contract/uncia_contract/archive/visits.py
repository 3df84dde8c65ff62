"""Finds the pictures of an archive or a card: which files they are, which trap took each, and which form a sequence.

#1 `picture_files` decides which files are pictures and which folders are searched.
#2 All pictures of one folder belong to one trap. Below `DCIM`, folders that a camera makes itself (DCF: `100MEDIA`,
`101_BTCF`) are not part of the trap's name, so that a burst may continue from one into the next. Elsewhere a name of
that form may be a station, a serial number or a date; such folders, side by side, are one trap only where their
pictures give the same camera serial number.
#3 Times come from EXIF, the maker's note or the file's name; only headers are read for them. Where no zone is known,
they stay as the camera wrote them.
#4 A sequence's key depends on its files' names, sizes and modification times, on what scores it, and on the
preprocessing rule. A change of any of these gives another key.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from uncia_contract.bursts.frames import DCF_FOLDER, BurstRule, Frame, bursts
from uncia_contract.errors import DataError
from uncia_contract.pictures.exif import Taken
from uncia_contract.pictures.jpeg import jpeg_taken, picture_bytes
from uncia_contract.pictures.picture_files import TellLeftOut, folders_below, is_file, is_picture, printable
from uncia_contract.pictures.picture_sum import PictureNotes, in_words
from uncia_contract.pictures.preprocessing import RULE

HEADERS = 32  # headers that one task reads: a task for a single header would cost more than reading it
_DCIM = "DCIM"


@dataclass(frozen=True)
class PictureFile:
    """A file below a place: its name with forward slashes, its size in bytes, its modification time in ns."""

    name: str
    size: int
    changed_ns: int


Failed = Callable[[str, OSError], None]


class Place(Protocol):
    """A place that holds pictures: a folder of this machine, or a bucket."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def folders(self, failed: Failed, tell: TellLeftOut) -> list[str]:
        """The folders below it, sorted; the place itself is "".

        `failed` is called for each folder that cannot be listed, `tell` for each picture that is left out.
        """

    def files(self, folder: str) -> list[PictureFile]:
        """The pictures (#1) in one folder, sorted by name."""

    def open(self, name: str) -> BinaryIO:
        """A stream of one file's bytes.

        Raises:
            OSError: it cannot be read.
        """


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The last part of its absolute path."""
        return self.path.resolve().name

    def folders(self, failed: Failed, tell: TellLeftOut) -> list[str]:
        """The folders below it, sorted; the folder itself is "". Links to folders are not followed."""
        found = folders_below(self.path, lambda folder, error: failed(self._below(folder), error), tell)
        return sorted(map(self._below, found))

    def _below(self, folder: Path) -> str:
        return "" if folder == self.path else folder.relative_to(self.path).as_posix()

    def files(self, folder: str) -> list[PictureFile]:
        """The pictures in one folder, sorted by name."""
        with os.scandir(self.path / folder) as entries:
            found = [_known(one, folder) for one in entries if is_picture(one.name) and is_file(one)]
        return sorted(found, key=lambda file: file.name)

    def file(self, path: Path) -> PictureFile:
        """One file below this folder, with its size and modification time."""
        known = path.stat()
        return PictureFile(path.relative_to(self.path).as_posix(), known.st_size, known.st_mtime_ns)

    def open(self, name: str) -> BinaryIO:
        """A stream of one file's bytes."""
        return (self.path / name).open("rb")


@dataclass(frozen=True)
class ArchiveSequence:
    """The pictures of one sequence, in order.

    `names` and `times` are parallel. `key` identifies the sequence (#4). `neighbours` are the pictures for its
    background (the module `neighbours` chooses them).
    """

    key: str
    trap: str
    names: tuple[str, ...]
    times: tuple[datetime | None, ...]
    neighbours: tuple[str, ...] = ()

    @property
    def untimed(self) -> list[str]:
        """The names of the pictures without a usable time."""
        return [name for name, taken_at in zip(self.names, self.times, strict=True) if taken_at is None]


class Archive:
    """All pictures below a place, by trap. Names are listed when they are needed, one trap at a time."""

    def __init__(self, place: Place, called: str, zone: tzinfo | None = UTC) -> None:
        """Count the pictures and the files that are left out.

        No picture is opened, except one in each folder that may continue another (#2).

        Args:
            place: the place that holds the pictures.
            called: the place's name in messages.
            zone: the zone of times without an offset; None where it is not known.

        Raises:
            DataError: the place cannot be read, or there are no pictures.
        """
        self.place, self.zone = place, zone
        self._traps: dict[str, list[str]] = defaultdict(list)
        self._called = called
        self._counts: dict[str, int] = {}  # pictures of each folder
        self.notes = PictureNotes()
        first: dict[str, str] = {}
        for folder in self._folders():
            if files := self.files_in(folder):
                first[folder] = files[0].name
                self._counts[folder] = len(files)
        if not self.pictures:
            if self.notes.unreadable:
                raise DataError("; ".join(self.notes.unreadable))
            others = f" (left out: {in_words(self.notes.left_out)})" if self.notes.left_out else ""
            raise DataError(f"{called}: no pictures; expected JPEGs or folders with JPEGs{others}")
        for folder, trap in traps_of(place, first).items():
            self._traps[trap].append(folder)

    def _folders(self) -> list[str]:
        try:
            return self.place.folders(self.note, self.notes.leave_out)
        except OSError as error:
            raise DataError(f"{self._called}: cannot be read ({error.strerror or error})") from error

    @property
    def pictures(self) -> int:
        """The number of pictures in the folders that can be listed."""
        return sum(self._counts.values())

    def note(self, folder: str, error: OSError) -> None:
        """Record that a folder could not be listed."""
        self._counts.pop(folder, None)
        told = f"{self._called.rstrip('/')}/{folder}".rstrip("/")
        self.notes.cannot_list(printable(told), error)

    @property
    def traps(self) -> list[str]:
        """The traps' names (#2), sorted; "" where pictures lie in no named folder."""
        return sorted(self._traps)

    def folders(self, trap: str) -> list[str]:
        """The folders that hold one trap's pictures."""
        return self._traps[trap]

    def files(self, trap: str) -> list[PictureFile]:
        """The pictures of one trap."""
        return [file for folder in self.folders(trap) for file in self.files_in(folder)]

    def files_in(self, folder: str) -> list[PictureFile]:
        """The pictures of a folder; an empty list, and a note in `notes.unreadable`, where it cannot be listed."""
        try:
            return self.place.files(folder)
        except OSError as error:
            self.note(folder, error)
            return []

    def sequences(self, trap: str, rule: BurstRule, scored_by: str, workers: int = 1) -> list[ArchiveSequence]:
        """The sequences of one trap, in order of time; see `sequences_of`."""
        return sequences_of(self.place, self.files(trap), rule, scored_by, trap, self.zone, workers)


def archive_of(folder: Path, zone: tzinfo | None = UTC) -> Archive:
    """The archive in a folder of this machine.

    Raises:
        DataError: the folder does not exist or has no pictures.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: not there; expected a folder with JPEGs")
    return Archive(Folder(folder), str(folder), zone)


def _known(entry: "os.DirEntry[str]", folder: str) -> PictureFile:
    known = entry.stat()
    return PictureFile(f"{folder}/{entry.name}" if folder else entry.name, known.st_size, known.st_mtime_ns)


def traps_of(place: Place, pictures: Mapping[str, str]) -> dict[str, str]:
    """The trap of each folder of a place (#2); `pictures` gives the name of one picture in each folder."""
    in_dcim = place.name.upper() == _DCIM
    traps, first = {}, dict[tuple[str, str], str]()
    for folder in sorted(pictures):
        trap = traps[folder] = trap_of(folder, in_dcim)
        above, _, name = trap.rpartition("/")
        if DCF_FOLDER.fullmatch(name) and (told := _taken(place, pictures[folder], None)).serial:
            traps[folder] = first.setdefault((above, told.camera), trap)
    return traps


def is_below_dcim(folder: Path) -> bool:
    """Whether a folder of this machine is a `DCIM` folder or lies below one."""
    return any(part.upper() == _DCIM for part in folder.resolve().parts)


def trap_of(folder: str, in_dcim: bool = False) -> str:
    """The trap's name from a folder's name (#2); `in_dcim`: the place itself is a `DCIM` folder."""
    kept = []
    for part in folder.split("/"):
        if part.upper() == _DCIM:
            in_dcim = True
        elif not (in_dcim and DCF_FOLDER.fullmatch(part)):
            kept.append(part)
    return "/".join(kept)


def sequences_of(
    place: Place,
    files: Sequence[PictureFile],
    rule: BurstRule,
    scored_by: str,
    trap: str = "",
    zone: tzinfo | None = UTC,
    workers: int = 1,
) -> list[ArchiveSequence]:
    """The sequences that one trap's pictures form, in order of time.

    Args:
        place: the place that holds the files.
        files: the trap's pictures.
        rule: the burst rule.
        scored_by: identifies what will score them, such as a bundle's sha256.
        trap: the trap's name.
        zone: the zone of times without an offset; None where it is not known.
        workers: the number of threads that read headers.
    """
    parts = [files[first : first + HEADERS] for first in range(0, len(files), HEADERS)]
    with ThreadPoolExecutor(workers) as pool:
        told = chain.from_iterable(pool.map(lambda part: [_taken(place, file.name, zone) for file in part], parts))
        frames = [Frame(file.name, Path(), one.at, one) for file, one in zip(files, told, strict=True)]
    known = {file.name: file for file in files}
    return [
        ArchiveSequence(
            sequence_key([known[frame.name] for frame in burst.frames], scored_by),
            trap,
            tuple(frame.name for frame in burst.frames),
            tuple(frame.taken_at for frame in burst.frames),
        )
        for burst in bursts(frames, rule)
    ]


def sequence_key(files: Sequence[PictureFile], scored_by: str) -> str:
    """The key of a sequence (#4): 32 hexadecimal digits."""
    content = msgspec.json.encode(
        [RULE, scored_by, [(printable(file.name), file.size, file.changed_ns) for file in files]]
    )
    return hashlib.sha256(content).hexdigest()[:32]


def read_whole(place: Place, name: str) -> bytes:
    """A picture's bytes.

    Raises:
        FrameError: it cannot be read or is too large.
    """
    return picture_bytes(lambda: place.open(name))


def _taken(place: Place, name: str, zone: tzinfo | None) -> Taken:
    try:
        with place.open(name) as stream:
            return jpeg_taken(stream, zone, name)
    except OSError:
        return Taken()  # the error is reported when the picture itself is read
