"""`uncia-trap score`: a whole card or folder through the trap's own code, on all cores, resumable.

Decides what belongs to a card: the named files, and every picture below the named folders, trap by trap as in an
archive. Each finished sequence is kept in `<out>.partial`, so that a run that was interrupted goes on where it was;
pictures or a bundle that have changed since are scored anew.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from queue import SimpleQueue

from uncia_contract.archive import ArchiveSequence, Folder, archive_of, sequences_of
from uncia_contract.archive_scores import Pictures, score_log, score_sequence
from uncia_contract.bundle import Bundle
from uncia_contract.classifier import Classifier
from uncia_contract.errors import DataError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CardSequence:
    """Pictures that form a sequence on a card, and the folder in which they lie."""

    folder: Folder
    sequence: ArchiveSequence

    def paths(self) -> tuple[Path, ...]:
        """Where its pictures are."""
        return tuple(self.folder.path / name for name in self.sequence.names)


class Card:
    """The pictures below some files and folders."""

    def __init__(self, places: Sequence[Path], zone: tzinfo = UTC) -> None:
        """Looks for places; opens no picture.

        Raises:
            DataError: a place is not there.
        """
        missing = [str(place) for place in places if not place.exists()]
        if missing:
            raise DataError(f"{', '.join(missing)}: not there; expected JPEGs or folders with JPEGs")
        self._places, self._zone = places, zone

    def sequences(self, bundle: Bundle) -> list[CardSequence]:
        """The card's sequences, place by place and trap by trap, in order of time.

        Raises:
            DataError: a folder has no pictures.
        """
        return [found for place in self._places for found in self._sequences_in(place, bundle)]

    def _sequences_in(self, place: Path, bundle: Bundle) -> Iterator[CardSequence]:
        rule = bundle.manifest.burst_rule
        if place.is_file():
            folder = Folder(place.parent)
            found = sequences_of(folder, [folder.file(place)], rule, bundle.sha256, zone=self._zone)
            yield from (CardSequence(folder, sequence) for sequence in found)
            return
        archive, folder = archive_of(place, self._zone), Folder(place)
        for trap in archive.traps:
            for sequence in archive.sequences(trap, rule, bundle.sha256, _cores()):
                yield CardSequence(folder, sequence)


class CardScorer:
    """Scores sequences, a classifier a thread."""

    def __init__(self, bundle: Bundle, workers: int | None = None) -> None:
        self._bundle, self._workers = bundle, workers or _cores()
        self._idle: SimpleQueue[Classifier] = SimpleQueue()
        first = Classifier(bundle)
        first.check_probes()
        for classifier in (first, *(Classifier(bundle) for _ in range(1, self._workers))):
            self._idle.put(classifier)

    def score(
        self, sequences: Sequence[CardSequence], partial: Path, progress: Progress
    ) -> Iterator[tuple[CardSequence, Pictures]]:
        """Each sequence with its scored pictures, in order; what `partial` already holds is taken from there."""
        with score_log(partial) as log, ThreadPoolExecutor(self._workers) as pool:
            known = {one.sequence.key for one in sequences if one.sequence.key in log}
            waiting = pool.map(lambda one: None if one.sequence.key in known else self._one(one), sequences)
            for number, (card_sequence, scored) in enumerate(zip(sequences, waiting, strict=True), start=1):
                if scored is not None:
                    log.add(card_sequence.sequence.key, scored)
                progress(number, len(sequences))
                yield card_sequence, scored or log.read(card_sequence.sequence.key)

    def _one(self, one: CardSequence) -> Pictures:
        classifier = self._idle.get()
        try:
            return score_sequence(one.sequence, one.folder, classifier)
        finally:
            self._idle.put(classifier)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
