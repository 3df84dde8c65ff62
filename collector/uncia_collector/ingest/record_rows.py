"""Makes the catalogue's rows of a trap's record (`sequences`, `frames`), and the fingerprint of a record."""

import hashlib
from datetime import datetime
from typing import Any

from msgspec import UnsetType

from uncia_collector.catalogue.regions import region_text
from uncia_collector.ingest.wire_messages import RecordMessage
from uncia_contract.errors import FrameError
from uncia_contract.messages.records import SequenceRecord, best_frame
from uncia_contract.pictures.jpeg import oriented_size

_COPIED = (
    *("trap", "id", "event", "started_at", "ended_at", "frames_scored", "confidence", "upper_bound"),
    *("threshold", "label", "audit", "historical", "test", "camera"),
)


def fingerprint(record: SequenceRecord) -> str:
    """SHA-256 over the sha256 and sizes of all frames; two records with one id must have the same."""
    frames_text = ";".join(f"{frame.n}:{frame.sha256}:{frame.size}" for frame in record.frames)
    return hashlib.sha256(frames_text.encode()).hexdigest()


def sequence_row(message: RecordMessage, now: datetime) -> dict[str, Any]:
    """The row of `sequences` for a new record; no frame is stored yet."""
    record = message.record
    return {name: getattr(record, name) for name in _COPIED} | {
        "received_at": now,
        "frames": len(record.frames),
        "frames_stored": 0,
        "best_frame": best_frame(record),
        "positive": record.positive and not record.test,
        "probabilities": None if isinstance(record.probabilities, UnsetType) else record.probabilities,
        "clock_synchronised": record.clock.synchronised,
        "clock_source": record.clock.source,
        "bundle": record.bundle.name,
        "bundle_version": record.bundle.version,
        "bundle_sha256": record.bundle.sha256,
        "fingerprint": fingerprint(record),
        "record": message.payload,
        "review": "open",
    }


def frame_rows(record: SequenceRecord) -> list[dict[str, Any]]:
    """The rows of `frames` for a new record; all have the status `missing`."""
    return [
        {
            "trap": record.trap,
            "sequence": record.id,
            "n": frame.n,
            "name": frame.name,
            "sha256": frame.sha256,
            "size": frame.size,
            "taken_at": frame.taken_at,
            "score": frame.score,
            "region": None if frame.region is None else region_text(frame.region),
            "status": "missing",
        }
        for frame in record.frames
    ]


def picture_size(content: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of the oriented picture; None if `content` is not a complete JPEG."""
    try:
        return oriented_size(content)
    except FrameError:
        return None
