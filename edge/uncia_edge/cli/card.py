"""Scores the pictures of cards, folders and files with the trap's code, on all cores; can be resumed (`score`).

Decides what belongs to a card: the named files and every picture below the named folders, each once, trap by trap as in
an archive. A place inside another one is a part of that. With several places, a file's name is its path from the folder
that all of them share. Each finished sequence is stored in `<out>.partial`, so that an interrupted run can go on; it is
scored again if its pictures or the bundle have changed.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from uncia_contract.archive.archive_scores import Pictures, neighbour_thumbnails, score_log, score_sequence
from uncia_contract.archive.neighbours import with_neighbours
from uncia_contract.archive.visits import ArchiveSequence, Folder, PictureFile, archive_of, sequences_of, traps_of
from uncia_contract.errors import DataError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.picture_files import LeftOut, is_in_skipped_folder, is_picture, is_skipped_folder

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CardSequence:
    """Pictures that form a sequence on a card, and the folder that their names start from."""

    folder: Folder
    sequence: ArchiveSequence

    def paths(self) -> tuple[Path, ...]:
        """The paths of its pictures."""
        return tuple(self.folder.path / name for name in self.sequence.names)


class Card:
    """The named pictures, and all pictures below the named folders."""

    def __init__(self, places: Sequence[Path], zone: tzinfo | None = None) -> None:
        """Find the places; no picture is opened.

        `zone` is the zone of EXIF times that name no offset; None leaves them without one.

        Raises:
            DataError: a place does not exist.
        """
        missing = [str(place) for place in places if not place.exists()]
        if missing:
            raise DataError(f"{', '.join(missing)}: not there; expected JPEGs or folders with JPEGs")
        self.unreadable: list[str] = []  # a line for each folder that `sequences` could not list
        self.left_out: Counter[LeftOut] = Counter()  # pictures that `sequences` found and skipped, by reason
        self._places, self._zone = _outermost([place.resolve() for place in places]), zone
        folders = [place if place.is_dir() else place.parent for place in self._places]
        self.folder = Folder(Path(os.path.commonpath(folders)))

    def sequences(self, bundle: Bundle) -> list[CardSequence]:
        """The card's sequences, trap by trap, in order of time.

        Raises:
            DataError: a folder has no pictures, or a place cannot be read.
        """
        rule, by = bundle.manifest.burst_rule, f"{bundle.sha256} {self._zone}"
        traps = (
            sequences_of(self.folder, list(files.values()), rule, by, trap, self._zone, _cores())
            for trap, files in sorted(self._traps().items())
        )
        return [CardSequence(self.folder, sequence) for found in traps for sequence in with_neighbours(found)]

    def _traps(self) -> dict[str, dict[str, PictureFile]]:
        """Each trap's pictures by name, so that a picture that is named twice counts once."""
        folders: dict[str, dict[str, PictureFile]] = defaultdict(dict)
        for place in self._places:
            for file in self._files(place):
                folders[file.name.rpartition("/")[0]][file.name] = file
        traps: dict[str, dict[str, PictureFile]] = defaultdict(dict)
        for folder, trap in traps_of(self.folder, {folder: min(files) for folder, files in folders.items()}).items():
            traps[trap] |= folders[folder]
        return traps

    def _files(self, place: Path) -> list[PictureFile]:
        if not place.is_dir():
            return [self.folder.file(place)]
        archive, below = archive_of(place), place.relative_to(self.folder.path)
        files = [file for trap in archive.traps for file in archive.files(trap)]
        self.unreadable += archive.notes.unreadable
        self.left_out += archive.notes.left_out
        return [replace(file, name=(below / file.name).as_posix()) for file in files]


class CardScorer:
    """Scores sequences in threads, each with a classifier of its own."""

    def __init__(self, bundle: Bundle, workers: int | None = None) -> None:
        self._bundle, self._workers = bundle, workers or _cores()
        self._idle: SimpleQueue[Classifier] = SimpleQueue()
        first = Classifier(bundle)
        first.check_probes()
        self._thumbnails = cache(lambda folder: neighbour_thumbnails(folder, first))
        for classifier in (first, *(Classifier(bundle) for _ in range(1, self._workers))):
            self._idle.put(classifier)

    def score(
        self, sequences: Sequence[CardSequence], partial: Path, progress: Progress
    ) -> Iterator[tuple[CardSequence, Pictures]]:
        """Yield each sequence with its scored pictures, in order; results in the file `partial` are not made again."""
        with score_log(partial) as log, ThreadPoolExecutor(self._workers) as pool:
            known = {one.sequence.key for one in sequences if one.sequence.key in log}
            waiting = pool.map(lambda one: None if one.sequence.key in known else self._one(one), sequences)
            try:
                for number, (card_sequence, scored) in enumerate(zip(sequences, waiting, strict=True), start=1):
                    if scored is not None:
                        log.add(card_sequence.sequence.key, scored)
                    progress(number, len(sequences))
                    yield card_sequence, scored or log.read(card_sequence.sequence.key)
            finally:  # after an interruption, do not score the rest of the card
                pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, one: CardSequence) -> Pictures:
        classifier = self._idle.get()
        try:
            return score_sequence(one.sequence, one.folder, classifier, None, self._thumbnails(one.folder))
        finally:
            self._idle.put(classifier)


def _outermost(places: Sequence[Path]) -> list[Path]:
    """The places without those that are scanned as a part of another one."""
    return [place for place in dict.fromkeys(places) if not any(_reaches(other, place) for other in places)]


def _reaches(folder: Path, place: Path) -> bool:
    if folder == place or not place.is_relative_to(folder) or not folder.is_dir():
        return False
    below = place.relative_to(folder)
    read = not is_skipped_folder(below.name) if place.is_dir() else is_picture(below)
    return read and not is_in_skipped_folder(below)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
