"""Sequence records with frames of given bytes, for tests."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from uncia_contract.messages.records import BundleIdentity, ClockTrust, FrameEntry, SequenceRecord

STARTED_AT = datetime(2026, 3, 1, 5, 30, tzinfo=UTC)


def write_frames(folder: Path, contents: Sequence[bytes], stem: str = "frame") -> list[Path]:
    """Write one file for each of `contents`; return the paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}-{n}.jpg" for n in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def make_record(
    sequence: str,
    contents: Sequence[bytes],
    *,
    trap: str = "ridge-01",
    scores: Sequence[float] = (),
    positive: bool = True,
) -> SequenceRecord:
    """A valid record of frames with these bytes; frame n scores `scores[n]`, else 0.9."""
    padded = [*scores, *[0.9] * (len(contents) - len(scores))]
    entries = tuple(
        FrameEntry(n, f"frame-{n}.jpg", hashlib.sha256(content).hexdigest(), len(content), STARTED_AT, padded[n])
        for n, content in enumerate(contents)
    )
    return SequenceRecord(
        id=sequence,
        trap=trap,
        event=sequence,
        started_at=STARTED_AT,
        ended_at=STARTED_AT,
        clock=ClockTrust(True, "boot", 1.0),
        frames=entries,
        frames_scored=len(entries),
        confidence=0.9,
        upper_bound=False,
        threshold=0.5,
        positive=positive,
        label="snow_leopard",
        bundle=BundleIdentity("demo", 1, "0" * 64),
    )
