"""Scores a burst, makes its record, and stores a positive one in the outbox before the burst is forgotten.

It has no rules of its own: they are in the contract, the bundle and the outbox. `runtime` puts the parts together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.backgrounds import Background
from uncia_contract.bursts.frames import Frame
from uncia_contract.errors import FrameError, StorageError
from uncia_contract.messages.records import BundleIdentity, SequenceRecord
from uncia_contract.model.classifier import FrameScorer
from uncia_contract.model.manifest import Manifest
from uncia_contract.pictures.jpeg import UNREADABLE
from uncia_contract.scoring.score_burst import Strips, score_burst
from uncia_edge.camera.cameras import ArrivedBurst, Failure
from uncia_edge.clock import Reading
from uncia_edge.outbox.preview import with_preview
from uncia_edge.outbox.source_files import Original, Sign, open_original
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.records import EarlierSequence, Events, SequenceIds, make_record
from uncia_edge.scoring.veto import Veto, withheld

FIRST = -1  # priority: before all others, regardless of the budget


@dataclass(frozen=True)
class Observation:
    """The result of one burst.

    Attributes:
        burst: the burst.
        record: its record; None if no file of it could be used.
        frames: the frames of the record, in its order.
        failures: the files that could not be used.
        problem: the card's error; None if there was none.
        safe: whether the burst may be forgotten.
        unreadable: files that could not be read now, and perhaps can be later.
        vetoed: its pictures must not leave the trap.
    """

    burst: ArrivedBurst
    record: SequenceRecord | None
    frames: tuple[Frame, ...]
    failures: tuple[Failure, ...]
    problem: str | None = None
    safe: bool = True
    unreadable: tuple[Path, ...] = ()
    vetoed: bool = False

    @property
    def contents(self) -> dict[Path, str]:
        """The sha256 of each frame as it was scored."""
        if self.record is None:
            return {}
        return {frame.path: entry.sha256 for frame, entry in zip(self.frames, self.record.frames, strict=True)}


class HeartbeatClassifier:
    """A classifier that gives a heartbeat for each picture, because a burst may take minutes on a small machine."""

    def __init__(self, classifier: FrameScorer, heartbeat: Callable[[], None]) -> None:
        self._classifier, self._heartbeat = classifier, heartbeat

    @property
    def manifest(self) -> Manifest:
        """The current manifest; the base station may change its rules."""
        return self._classifier.manifest

    def score(self, image: NDArray[np.uint8]) -> float:
        """The classifier's score."""
        self._heartbeat()
        return self._classifier.score(image)


class Observer:
    """Turns bursts into records and stores positive ones in the outbox."""

    def __init__(
        self,
        trap: str,
        classifier: FrameScorer,
        bundle: BundleIdentity,
        outbox: Outbox,
        clock: Callable[[], Reading],
        strips: Strips | None = None,
        heartbeat: Callable[[], None] = lambda: None,
        preview_px: int = 0,
        background: Background | None = None,
        single_thread_classifier: FrameScorer | None = None,
        earlier: Sequence[EarlierSequence] = (),
        veto: Veto | None = None,
        background_of: Callable[[str], Background] = lambda camera: Background(),
    ) -> None:
        """Connect the parts.

        Args:
            trap: the trap's id.
            classifier: scores pictures.
            bundle: the bundle's identity, for the record.
            outbox: stores positive sequences and gives ids.
            clock: reads the trap's clocks.
            strips: heights of burnt-in info strips, in fractions of the frame.
            heartbeat: called whenever a picture is read or scored.
            preview_px: the longer side of the thumbnail; 0 for none.
            background: the background of the trap's own view; None if bursts come from many places.
            single_thread_classifier: scores while other cores decode; by default `classifier`.
            earlier: sequences that were decided before this start.
            veto: the labels whose pictures must not leave the trap.
            background_of: reads the background of a hub's camera, by its id.
        """
        self._trap = trap
        self._classifier = HeartbeatClassifier(classifier, heartbeat)
        self._single_thread_classifier = HeartbeatClassifier(single_thread_classifier or classifier, heartbeat)
        self._bundle = bundle
        self._outbox = outbox
        self._clock = clock
        self._strips = strips
        self._heartbeat, self._preview_px, self._background_of = heartbeat, preview_px, background_of
        self.backgrounds: dict[str, Background] | None = None if background is None else {"": background}
        self._earlier, self._events, self._unnumbered = earlier, dict[str, Events](), 0
        self._veto = veto or Veto()

    def observe(self, burst: ArrivedBurst, test: bool = False) -> Observation:
        """Score one burst and make its record.

        When this returns, a positive sequence is on disk, or `safe` is False. A `test` is stored whatever its verdict.
        """
        originals: dict[int, Original] = {}
        unread: dict[int, str] = {}
        readers = [self._reader(index, frame, originals, unread) for index, frame in enumerate(burst.frames)]
        try:
            single, background = self._single_thread_classifier, self._background(burst.camera)
            verdict = score_burst(readers, self._classifier, self._strips, background, single_thread_classifier=single)
        except (OSError, FrameError) as error:  # the camera's card was pulled or fails, or a file is being written
            again = tuple(burst.frames[index].path for index in unread)
            return Observation(burst, None, burst.frames, burst.failures, str(error), safe=False, unreadable=again)
        reasons = verdict.failures if verdict else dict.fromkeys(range(len(burst.frames)), "cannot be decoded")
        unread |= {index: reason for index, reason in reasons.items() if reason.startswith(UNREADABLE)}
        again = tuple(burst.frames[index].path for index in unread)
        if again and burst.patient:
            return Observation(burst, None, burst.frames, burst.failures, safe=False, unreadable=again)
        failed = [Failure(burst.frames[i].path, unread.get(i, reason), i in unread) for i, reason in reasons.items()]
        failures = (*burst.failures, *failed)
        if verdict is None:
            return Observation(burst, None, (), failures, unreadable=again)
        usable = [index for index in range(len(burst.frames)) if index not in verdict.failures]
        frames, signs = tuple(burst.frames[i] for i in usable), tuple(originals[i].sign for i in usable)
        ids, problem = self._next_ids(burst)
        rules = self._classifier.manifest
        record = make_record(burst, verdict, rules, self._bundle, ids, self._trap, self._clock(), originals)
        record = msgspec.structs.replace(record, test=test)
        vetoed = self._veto.holds(record)
        if sent := (record.positive or test) and not (vetoed and self._veto.sends == "nothing"):
            problem = problem or (
                self._store_withheld(record) if vetoed else self._store(record, frames, burst.owned, signs)
            )
        safe = not (sent and problem)
        if safe and self.backgrounds is not None and verdict.background is not None:
            self.backgrounds[burst.camera] = verdict.background  # else the burst comes again, and would meet itself
        return Observation(burst, record, frames, failures, problem, safe, again, vetoed)

    def _background(self, camera: str) -> Background | None:
        if self.backgrounds is None:
            return None
        if camera not in self.backgrounds:
            self.backgrounds[camera] = self._background_of(camera)
        return self.backgrounds[camera]

    def _events_of(self, camera: str) -> Events:
        if camera not in self._events:
            self._events[camera] = Events([one for one in self._earlier if one.camera == camera])
        return self._events[camera]

    def _reader(
        self, index: int, frame: Frame, originals: dict[int, Original], unread: dict[int, str]
    ) -> Callable[[], BinaryIO]:
        def read() -> BinaryIO:
            self._heartbeat()
            try:
                stream, originals[index] = open_original(frame.path, originals.get(index))
            except OSError as error:
                unread[index] = f"{UNREADABLE}{error.strerror or error}"
                raise
            return stream

        return read

    def _store(self, record: SequenceRecord, frames: Sequence[Frame], owned: bool, signs: Sequence[Sign]) -> str | None:
        """Store a sequence; return the card's error, None if record and frames are stored."""
        try:
            files = [frame.path for frame in frames]
            shown, priority = with_preview(record, files, self._preview_px), FIRST if record.test else 0
            self._outbox.add(shown, files, priority, owned, signs=signs)
        except StorageError as error:
            return str(error)
        return None

    def _store_withheld(self, record: SequenceRecord) -> str | None:
        try:
            self._outbox.add(*withheld(record, self._outbox.folder))
        except OSError as error:  # also a StorageError
            return str(error)
        return None

    def _next_ids(self, burst: ArrivedBurst) -> tuple[SequenceIds, str | None]:
        """The ids of a burst, and the card's error or None. If the card fails, a temporary id is used."""
        try:
            sequence, problem = self._outbox.next_sequence_id(self._trap), None
        except StorageError as error:
            self._unnumbered += 1
            sequence, problem = f"{self._trap}-unstored-{self._unnumbered:06d}", str(error)
        gap_s = self._classifier.manifest.burst_rule.gap_s
        return SequenceIds(sequence, self._events_of(burst.camera).event_of(burst, sequence, gap_s)), problem
