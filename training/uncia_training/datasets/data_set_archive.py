"""A data set (CSV, COCO Camera Traps, Camtrap DP) as an archive to score.

A location is a trap (with the source before its name if several sources have this location). Sequences are the data
set's, else formed by time, as in `evaluate`. A picture has the data set's name. Times are those in the picture, else
those of the data set.
"""

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO

from uncia_contract.archive.visits import Archive, ArchiveSequence, Failed, PictureFile, sequence_key
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.package_files import is_camtrap_dp
from uncia_contract.datasets.reader import read_data
from uncia_contract.datasets.timed_sequences import taken_at
from uncia_contract.model.manifest import Manifest
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.pictures.picture_files import TellLeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_training.datasets.storage import is_address, known_of

_NEVER = datetime.min  # noqa: DTZ901 - only compared with times without a zone


@dataclass
class DataSetPlace:
    """The pictures of a data set, by trap; each is read as a JPEG, whatever its format."""

    name: str
    traps: dict[str, list[LabelledPicture]]
    paths: dict[str, Path] = field(init=False)

    def __post_init__(self) -> None:
        """Make the table of paths by name."""
        self.paths = {picture.file: picture.path for pictures in self.traps.values() for picture in pictures}

    def folders(self, failed: Failed, tell: TellLeftOut) -> list[str]:
        """The names of the traps, sorted."""
        return sorted(self.traps)

    def files(self, folder: str) -> list[PictureFile]:
        """One trap's pictures, in the data set's order."""
        return [self.file(picture) for picture in self.traps[folder]]

    def file(self, picture: LabelledPicture) -> PictureFile:
        """A picture's name, size and modification time."""
        return replace(known_of(str(picture.path)), name=picture.file)

    def open(self, name: str) -> BinaryIO:
        """A stream of a picture's bytes, as a JPEG.

        Raises:
            FrameError: it cannot be read, or has another format.
        """
        return io.BytesIO(read_as_jpeg(self.paths[name]))


class DataSetArchive(Archive):
    """An archive whose traps and sequences are those of a data set."""

    def __init__(self, place: DataSetPlace, called: str, notes: PictureNotes, zone: tzinfo | None) -> None:
        """Count the pictures; `notes` has what the reader left out."""
        super().__init__(place, called, zone)
        self._labelled = place
        self._traps = {trap: [trap] for trap in place.traps}
        self.notes = notes

    def sequences(self, trap: str, rule: BurstRule, scored_by: str, workers: int = 1) -> list[ArchiveSequence]:
        """The sequences of a location in order of time; those without a time come last."""
        found = [self._sequence(burst, trap, scored_by) for burst in sequences(self._labelled.traps[trap])]
        return sorted(found, key=lambda one: _clock(one.times[0]))

    def _sequence(self, burst: Sequence[LabelledPicture], trap: str, scored_by: str) -> ArchiveSequence:
        times = tuple(taken_at(picture, self.zone) for picture in burst)
        told = f"{scored_by} {trap} {[str(time) for time in times]}"
        key = sequence_key([self._labelled.file(picture) for picture in burst], told)
        return ArchiveSequence(key, trap, tuple(picture.file for picture in burst), times)


def is_data_set(path: str) -> bool:
    """Whether a path is a data set: a file or a Camtrap DP package. Other folders are archives."""
    return not is_address(path) and (Path(path).is_file() or is_camtrap_dp(Path(path)))


def data_set_archive(data: Path, rules: Manifest, zone: tzinfo | None) -> DataSetArchive:
    """A data set as an archive, with the labels and burst rule of a bundle's manifest.

    Raises:
        DataError: the data set cannot be read or has no pictures.
    """
    notes, traps = PictureNotes(), defaultdict[str, list[LabelledPicture]](list)
    pictures = read_data(data, rules.positive_labels, rules.burst_rule, zone or UTC, notes=notes)
    sources = defaultdict[str, set[str]](set)
    for picture in pictures:
        sources[picture.location].add(picture.source)
    for picture in pictures:
        several = len(sources[picture.location]) > 1
        traps[f"{picture.source}/{picture.location}" if several else picture.location].append(picture)
    return DataSetArchive(DataSetPlace(data.resolve().name, dict(traps)), str(data), notes, zone)


def _clock(time: datetime | None) -> tuple[bool, datetime]:
    """A sort key for times with and without a zone."""
    return (True, _NEVER) if time is None else (False, time.replace(tzinfo=None))
