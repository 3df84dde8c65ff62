"""Scores an archive on this machine's cores with the trap's own code, one classifier per thread; can be resumed.

Decides how work is divided, and what is skipped: a sequence whose key is in the log is not scored again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from uncia_contract.archive.archive_scores import Pictures, neighbour_thumbnails, score_sequence
from uncia_contract.archive.neighbours import with_neighbours
from uncia_contract.archive.resume_log import SequenceLog
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import Archive, ArchiveSequence
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.scoring.score_burst import Strips
from uncia_training.parallel import PerThread, parallel_map

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ScoringRule:
    """The inputs of a score other than the pictures; `name` is part of every sequence's key."""

    bundle: Bundle
    strips: Strips | None = None

    @property
    def name(self) -> str:
        """The bundle's sha256, and the strips if there are any."""
        return self.bundle.sha256 + (f" {self.strips.top:g} {self.strips.bottom:g}" if self.strips else "")

    def logged_by(self, archive: Archive) -> str:
        """The scorer's part of a logged sequence's key: `name`, and the zone of the times in the log."""
        return f"{self.name} {archive.zone}"


class LocalScorer:
    """Scores sequences in threads of this process."""

    def __init__(self, rule: ScoringRule, workers: int) -> None:
        """Loads the bundle.

        Raises:
            BundleError: it cannot be loaded on this machine, or does not reproduce its probes.
        """
        self._rule, self._workers = rule, workers
        self._classifier = PerThread(lambda: Classifier(rule.bundle))
        self._classifier().check_probes()

    def run(self, archive: Archive, log: SequenceLog[Pictures], progress: Progress) -> "Outcome":
        """Scores the sequences that are not in the log; the scored archive.

        Args:
            archive: the pictures to score.
            log: each sequence is added as soon as it is scored.
            progress: called with the number of finished pictures and of all pictures.
        """
        thumbnails = neighbour_thumbnails(archive.place, self._classifier())

        def work(sequence: ArchiveSequence) -> tuple[ArchiveSequence, Pictures | None]:
            known = sequence.key in log
            return sequence, None if known else score_sequence(
                sequence, archive.place, self._classifier(), self._rule.strips, thumbnails
            )

        keys, done, scored = [], 0, 0
        for sequence, pictures in parallel_map(work, self._sequences(archive), self._workers):
            if pictures is not None:
                log.add(sequence.key, pictures)
                scored += len(pictures)
            keys.append(bytes.fromhex(sequence.key))
            done += len(sequence.names)
            progress(done, archive.pictures)
        return Outcome(log, tuple(keys), scored)

    def _sequences(self, archive: Archive) -> Iterator[ArchiveSequence]:
        rule, name = self._rule.bundle.manifest.burst_rule, self._rule.logged_by(archive)
        found = (archive.sequences(trap, rule, name, self._workers) for trap in archive.traps)
        return chain.from_iterable(map(with_neighbours, found))


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scored archive: its sequences in order; each iteration reads them from the log.

    `scored` is the number of pictures that this run scored; the others were in the log already.
    """

    log: SequenceLog[Pictures]
    keys: tuple[bytes, ...]
    scored: int

    def __iter__(self) -> Iterator[ScoredPicture]:
        """Yields each picture, trap by trap, in order of time."""
        for key in self.keys:
            yield from self.log.read(key.hex())
