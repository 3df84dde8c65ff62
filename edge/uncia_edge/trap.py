"""The trap's own loop: a burst is scored, decided and, when positive, safe in the outbox before it is forgotten.

Decides nothing itself: the rules are the contract's, the bundle's and the outbox's. Parts are wired in `runtime`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from uncia_contract.classifier import Scores
from uncia_contract.frames import Frame
from uncia_contract.messages import BundleIdentity, SequenceRecord
from uncia_contract.scoring import Strips, score_burst
from uncia_edge.cameras import ArrivedBurst, Failure
from uncia_edge.records import Reading, SequenceIds, make_record


class Outgoing(Protocol):
    """What the loop asks of the outbox."""

    def next_sequence_id(self, trap: str) -> str:
        """An id that was never given before and never will be again."""

    def add(self, record: SequenceRecord, files: Sequence[Path]) -> None:
        """Commits record and frames to disk before it returns."""


@dataclass(frozen=True)
class Observation:
    """What became of one burst: its record (None where no file could be used) and the files that failed.

    `frames` are those of the record, in its order.
    """

    burst: ArrivedBurst
    record: SequenceRecord | None
    frames: tuple[Frame, ...]
    failures: tuple[Failure, ...]


class Trap:
    """Turns bursts into records, and hands positive ones to the outbox."""

    def __init__(
        self,
        trap: str,
        classifier: Scores,
        bundle: BundleIdentity,
        outbox: Outgoing,
        clock: Callable[[], Reading],
        strips: Strips | None = None,
    ) -> None:
        self._trap = trap
        self._classifier = classifier
        self._bundle = bundle
        self._outbox = outbox
        self._clock = clock
        self._strips = strips
        self._event = ""

    def observe(self, burst: ArrivedBurst) -> Observation:
        """One burst from pictures to record; when it returns, a positive one is on disk."""
        verdict = score_burst([frame.path.read_bytes for frame in burst.frames], self._classifier, self._strips)
        if verdict is None:
            broken = [Failure(frame.path, "cannot be decoded") for frame in burst.frames]
            return Observation(burst, None, (), (*burst.failures, *broken))
        record = make_record(
            burst, verdict, self._classifier.manifest, self._bundle, self._next_ids(burst), self._trap, self._clock()
        )
        frames = tuple(frame for index, frame in enumerate(burst.frames) if index not in verdict.failures)
        if record.positive:
            self._outbox.add(record, [frame.path for frame in frames])
        undecodable = [Failure(burst.frames[index].path, reason) for index, reason in verdict.failures.items()]
        return Observation(burst, record, frames, (*burst.failures, *undecodable))

    def _next_ids(self, burst: ArrivedBurst) -> SequenceIds:
        sequence = self._outbox.next_sequence_id(self._trap)
        if not burst.continues or not self._event:
            self._event = sequence
        return SequenceIds(sequence, self._event)
