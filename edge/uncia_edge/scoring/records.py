"""Makes the record of a burst from its verdict, and finds the event that it belongs to.

The outbox gives the ids of sequences; clock readings are arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import UNSET

from uncia_contract.bursts.frames import Frame
from uncia_contract.messages.records import BundleIdentity, ClockTrust, FrameEntry, SequenceRecord
from uncia_contract.model.manifest import Manifest
from uncia_contract.pictures.picture_files import printable
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.score_burst import FrameResult, SequenceVerdict
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.clock import Reading
from uncia_edge.outbox.source_files import Original

FAILURES_NAMED = 100  # at most, in one record
_EVENTS_KNOWN = 64  # latest bursts whose event is remembered, for a frame that is read late


@dataclass(frozen=True)
class SequenceIds:
    """The id of a sequence, and the event that it belongs to."""

    sequence: str
    event: str


@dataclass(frozen=True)
class EarlierSequence:
    """A sequence that was decided before this start: event, times of its first and last frame, camera of a hub."""

    event: str
    began_at: datetime
    ended_at: datetime
    camera: str = ""


class Events:
    """Finds the event of each burst."""

    def __init__(self, earlier: Sequence[EarlierSequence] = ()) -> None:
        """`earlier` are the sequences before this start, newest last; the first burst may continue one of them."""
        self._earlier = earlier
        self._latest = ""
        self._known: dict[str, str] = {}  # of the latest bursts, by their names

    def event_of(self, burst: ArrivedBurst, sequence: str, gap_s: float) -> str:
        """The event of a burst that gets this sequence id, by the first rule that applies.

        #1 The camera names the burst that it continues (`event_of`): that burst's event.
        #2 It continues the burst before it: that burst's event.
        #3 It lies within `gap_s` of a sequence that was decided before this start: that sequence's event.
        #4 Otherwise a new event, with the id of the sequence.
        """
        if burst.event_of in self._known:
            return self._known[burst.event_of]
        if not burst.continues or not self._latest:
            self._latest = self._event_before_start(burst, timedelta(seconds=gap_s)) or sequence
        self._known[burst.name] = self._latest
        if len(self._known) > _EVENTS_KNOWN:
            del self._known[next(iter(self._known))]
        return self._latest

    def _event_before_start(self, burst: ArrivedBurst, gap: timedelta) -> str:
        """Rule #3: the event, or empty. Times of a clock that was reset cannot be compared and are not used."""
        times = [frame.taken_at for frame in burst.frames if frame.taken_at and not frame.clock_was_reset]
        for one in reversed(self._earlier):
            if any(one.began_at - gap <= taken <= one.ended_at + gap for taken in times):
                return one.event
        return ""


def make_record(
    burst: ArrivedBurst,
    verdict: SequenceVerdict,
    manifest: Manifest,
    bundle: BundleIdentity,
    ids: SequenceIds,
    trap: str,
    clock: Reading,
    originals: Mapping[int, Original],
) -> SequenceRecord:
    """The record of one burst. Frames that could not be decoded are named in `failures` and left out of `frames`.

    `originals` are sha256 and size of the frames' bytes, by index in the burst.
    """
    usable = [index for index in range(len(burst.frames)) if index not in verdict.failures]
    times = [taken for i in usable if (taken := burst.frames[i].taken_at) is not None] or [clock.now]
    failed = [*(failure.file.name for failure in burst.failures), *(burst.frames[i].name for i in verdict.failures)]
    return SequenceRecord(
        id=ids.sequence,
        trap=trap,
        event=ids.event,
        started_at=min(times),
        ended_at=max(times),
        clock=ClockTrust(clock.synchronised, clock.boot_id, clock.boottime_s, burst.time_source),
        frames=tuple(_entry(n, burst.frames[i], verdict.frames[i], originals[i]) for n, i in enumerate(usable)),
        frames_scored=verdict.frames_scored,
        confidence=verdict.decision.confidence,
        upper_bound=verdict.decision.upper_bound,
        threshold=manifest.decision_rule.threshold,
        positive=verdict.decision.positive,
        label=verdict.label,
        bundle=bundle,
        failures=shortened(failed),
        probabilities=verdict.probabilities or UNSET,
        camera=burst.camera,
    )


def message_text(text: str) -> str:
    """A file's name or a reason in a form that a message can carry: valid UTF-8, its last 255 characters."""
    return printable(text)[-255:]


def shortened(files: Sequence[str]) -> tuple[str, ...]:
    """At most `FAILURES_NAMED` texts: the first names, then `and N more`. A card may hold 100,000 other files."""
    most = len(files) if len(files) <= FAILURES_NAMED else FAILURES_NAMED - 1
    more = [f"and {len(files) - most} more"] if len(files) > most else []
    return (*map(message_text, files[:most]), *more)


def _entry(n: int, frame: Frame, result: FrameResult, original: Original) -> FrameEntry:
    who = (n, message_text(frame.name), original.sha256, original.size, frame.taken_at)
    return FrameEntry(*who, result.score, _box(result.region), result.reason)


def _box(region: Region | None) -> tuple[float, float, float, float] | None:
    return None if region is None else (region.left, region.top, region.width, region.height)
