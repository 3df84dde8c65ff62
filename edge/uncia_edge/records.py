"""From a verdict to the record that is published: who, when, how sure, and which bytes.

Decides what a record says of a burst; ids come from the outbox, clock readings are handed in.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uncia_contract.frames import Frame
from uncia_contract.manifest import Manifest
from uncia_contract.messages import BundleIdentity, ClockTrust, FrameEntry, SequenceRecord
from uncia_contract.regions import Region
from uncia_contract.scoring import FrameLook, SequenceVerdict
from uncia_edge.cameras import ArrivedBurst


@dataclass(frozen=True)
class Reading:
    """A look at the trap's clocks: aware UTC now, seconds since boot, which boot, and whether time is synchronised."""

    now: datetime
    boottime_s: float
    boot_id: str
    synchronised: bool


@dataclass(frozen=True)
class SequenceIds:
    """The id of a sequence, and the event that it belongs to."""

    sequence: str
    event: str


def make_record(
    burst: ArrivedBurst,
    verdict: SequenceVerdict,
    manifest: Manifest,
    bundle: BundleIdentity,
    ids: SequenceIds,
    trap: str,
    clock: Reading,
) -> SequenceRecord:
    """The record of one burst. Frames that could not be decoded are named in `failures` and are no frames of it."""
    usable = [index for index in range(len(burst.frames)) if index not in verdict.failures]
    frames = [burst.frames[index] for index in usable]
    times = [frame.taken_at for frame in frames if frame.taken_at is not None] or [clock.now]
    failed = [failure.file.name for failure in burst.failures]
    return SequenceRecord(
        id=ids.sequence,
        trap=trap,
        event=ids.event,
        started_at=min(times),
        ended_at=max(times),
        clock=ClockTrust(clock.synchronised, clock.boot_id, clock.boottime_s, burst.time_source),
        frames=_entries(frames, [verdict.looks[index] for index in usable]),
        frames_scored=verdict.frames_scored,
        confidence=verdict.decision.confidence,
        upper_bound=verdict.decision.upper_bound,
        threshold=manifest.decision_rule.threshold,
        positive=verdict.decision.positive,
        label=manifest.positive_labels[0],
        bundle=bundle,
        failures=(*failed, *(burst.frames[index].name for index in verdict.failures)),
    )


def _entries(frames: Sequence[Frame], looks: Sequence[FrameLook]) -> tuple[FrameEntry, ...]:
    entries = []
    for n, (frame, look) in enumerate(zip(frames, looks, strict=True)):
        content = frame.path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entries.append(
            FrameEntry(
                n, frame.name[-255:], digest, len(content), frame.taken_at, look.score, _box(look.region), look.reason
            )
        )
    return tuple(entries)


def _box(region: Region | None) -> tuple[float, float, float, float] | None:
    return None if region is None else (region.left, region.top, region.width, region.height)
