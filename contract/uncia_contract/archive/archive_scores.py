"""Scores the sequences of an archive with the same code as the trap.

Decides how a sequence's verdict becomes one `ScoredPicture` for each of its pictures.
"""

from dataclasses import replace
from pathlib import Path

from uncia_contract.archive.neighbours import NeighbourThumbnails, NeighbourView
from uncia_contract.archive.resume_log import SequenceLog
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import ArchiveSequence, Place, read_whole
from uncia_contract.errors import FrameError
from uncia_contract.model.classifier import FrameScorer
from uncia_contract.pictures.picture_files import printable
from uncia_contract.scoring.burst_decoder import picture_thumbnail
from uncia_contract.scoring.score_burst import SequenceVerdict, Strips, score_burst

Pictures = tuple[ScoredPicture, ...]


def neighbour_thumbnails(place: Place, classifier: FrameScorer) -> NeighbourThumbnails[str]:
    """A cache of thumbnails for `score_sequence`, to be shared by all sequences of a place."""
    return NeighbourThumbnails(lambda name: read_whole(place, name), classifier.manifest.region_rule)


def score_sequence(
    sequence: ArchiveSequence,
    place: Place,
    classifier: FrameScorer,
    strips: Strips | None = None,
    thumbnails: NeighbourThumbnails[str] | None = None,
) -> Pictures:
    """Score a sequence: each picture with its score and the sequence's verdict, in the sequence's order.

    Args:
        sequence: the sequence to score.
        place: the place that holds its pictures.
        classifier: scores the pictures.
        strips: the camera's burnt-in strips.
        thumbnails: a cache shared by the sequences of the place (`neighbour_thumbnails`), for the backgrounds of
            sequences with neighbours; None to read thumbnails for this sequence alone.
    """
    readers = [lambda name=name: read_whole(place, name) for name in sequence.names]
    view = None
    if sequence.neighbours and classifier.manifest.regions:
        view = NeighbourView(thumbnails or neighbour_thumbnails(place, classifier), sequence.neighbours)
    verdict = score_burst(readers, classifier, strips, view, workers=1)
    if verdict is None:
        return tuple(_unread(sequence, index, place, classifier) for index in range(len(sequence.names)))
    return tuple(_scored(sequence, index, verdict, classifier) for index in range(len(sequence.names)))


def _unread(sequence: ArchiveSequence, index: int, place: Place, classifier: FrameScorer) -> ScoredPicture:
    try:
        picture_thumbnail(read_whole(place, sequence.names[index]), classifier.manifest.region_rule)
        reason = "cannot be decoded"
    except FrameError as error:
        reason = str(error)
    return _failed(sequence, index, reason)


def _failed(sequence: ArchiveSequence, index: int, reason: str) -> ScoredPicture:
    return replace(_taken(sequence, index), failure=reason)


def _scored(sequence: ArchiveSequence, index: int, verdict: SequenceVerdict, classifier: FrameScorer) -> ScoredPicture:
    if index in verdict.failures:
        return _failed(sequence, index, verdict.failures[index])
    frame = verdict.frames[index]
    region = frame.region
    return replace(
        _taken(sequence, index),
        label=verdict.label,
        score=frame.score,
        region=(region.left, region.top, region.width, region.height) if region else None,
        confidence=verdict.decision.confidence,
        threshold=classifier.manifest.decision_rule.threshold,
        positive=verdict.decision.positive,
        damaged=verdict.damaged.get(index),
        probabilities=verdict.probabilities or None,
    )


def _taken(sequence: ArchiveSequence, index: int) -> ScoredPicture:
    """A picture of a sequence before it is scored: name, trap, sequence and time."""
    return ScoredPicture(
        printable(sequence.names[index]),
        trap=printable(sequence.trap),
        sequence=printable(sequence.names[0]),
        taken_at=sequence.times[index],
    )


def score_log(path: Path) -> SequenceLog[Pictures]:
    """The resume log in a file: the scored pictures of each finished sequence. The file is made if it is not there.

    Raises:
        StorageError: it cannot be written.
    """
    return SequenceLog(path, Pictures)
