"""An archive's sequences through the trap's own code, and the log from which an interrupted run goes on.

Decides what is known of each picture once its sequence is scored, and how that is kept: a line a sequence, valid as
soon as its end of line is written; what an interruption left behind it is cut off.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from uncia_contract.archive import ArchiveSequence, Place, read_whole
from uncia_contract.burst_pictures import small
from uncia_contract.classifier import Scores
from uncia_contract.errors import FrameError, StorageError
from uncia_contract.scored_picture import ScoredPicture
from uncia_contract.scoring import SequenceVerdict, Strips, score_burst

Pictures = tuple[ScoredPicture, ...]


def score_sequence(
    sequence: ArchiveSequence, place: Place, classifier: Scores, strips: Strips | None = None
) -> Pictures:
    """Each picture of a sequence with its score and the sequence's verdict, in the sequence's order."""
    readers = [lambda name=name: read_whole(place, name) for name in sequence.names]
    verdict = score_burst(readers, classifier, strips, workers=1)
    if verdict is None:
        return tuple(_unread(sequence, index, place, classifier) for index in range(len(sequence.names)))
    return tuple(_scored(sequence, index, verdict, classifier) for index in range(len(sequence.names)))


def _unread(sequence: ArchiveSequence, index: int, place: Place, classifier: Scores) -> ScoredPicture:
    try:
        small(read_whole(place, sequence.names[index]), classifier.manifest.region_rule)
        reason = "cannot be decoded"
    except FrameError as error:
        reason = str(error)
    return _failed(sequence, index, reason)


def _failed(sequence: ArchiveSequence, index: int, reason: str) -> ScoredPicture:
    return ScoredPicture(
        sequence.names[index],
        trap=sequence.trap,
        sequence=sequence.names[0],
        taken_at=sequence.times[index],
        failure=reason,
    )


def _scored(sequence: ArchiveSequence, index: int, verdict: SequenceVerdict, classifier: Scores) -> ScoredPicture:
    if index in verdict.failures:
        return _failed(sequence, index, verdict.failures[index])
    look = verdict.looks[index]
    region = look.region
    return ScoredPicture(
        sequence.names[index],
        label=classifier.manifest.positive_labels[0],
        score=look.score,
        region=(region.left, region.top, region.width, region.height) if region else None,
        trap=sequence.trap,
        sequence=sequence.names[0],
        taken_at=sequence.times[index],
        confidence=verdict.decision.confidence,
        threshold=classifier.manifest.decision_rule.threshold,
        positive=verdict.decision.positive,
    )


class ScoreLog:
    """Scored sequences in a file, found again by key; memory holds where each is, not what it says."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the log.

        Raises:
            StorageError: it cannot be written.
        """
        self._offsets: dict[bytes, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a+b")
            end = self._index()
            self._stream.truncate(end)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror})") from error
        self.path, self._end = path, end

    def __enter__(self) -> "ScoreLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stream.close()

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, key: str, pictures: Pictures) -> None:
        """Keeps one scored sequence.

        Raises:
            StorageError: the disk is full, or gone.
        """
        line = msgspec.json.encode([key, pictures]) + b"\n"
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror}); what is in it is kept") from error
        self._offsets[bytes.fromhex(key)] = self._end
        self._end += len(line)

    def pictures(self, key: str) -> Pictures:
        """What was kept under a key; KeyError where nothing was."""
        self._stream.seek(self._offsets[bytes.fromhex(key)])
        return msgspec.json.decode(self._stream.readline(), type=tuple[str, Pictures])[1]

    def _index(self) -> int:
        """Finds every whole line; where the last one ends."""
        end = 0
        for offset, line in self._lines():
            try:
                key = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])[0]
                self._offsets[bytes.fromhex(key)] = offset
            except (msgspec.DecodeError, ValueError):
                continue
            finally:
                end = offset + len(line)
        return end

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        self._stream.seek(0)
        offset = 0
        for line in self._stream:
            if line.endswith(b"\n"):
                yield offset, line
                offset += len(line)
