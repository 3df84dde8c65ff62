"""The decision log: one compact JSON line for each burst that says why it was kept or not, for a person at the trap.

Decides what is written and how much is kept: two files of half the quota each; a full one replaces the older one. It
is written without fsync, because a lost line loses an explanation and no sequence. Errors of the card are only logged.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import UnsetType

from uncia_contract.errors import StorageError
from uncia_contract.messages.records import SequenceRecord
from uncia_edge.scoring.records import EarlierSequence

_log = logging.getLogger(__name__)

_LATEST_BYTES = 1 << 16  # the end of the log, with about a hundred explanations


class DecisionLog:
    """The decision log of one trap in `folder`, at most `quota_bytes` long."""

    def __init__(self, folder: Path, quota_bytes: int = 8 * 1024**2) -> None:
        self.path, self._quota_bytes = folder / "decisions.jsonl", quota_bytes
        self._older = folder / "decisions.older.jsonl"

    def write(self, burst: str, record: SequenceRecord | None, failures: Sequence[str]) -> None:
        """Write one burst; `record` is None if no frame could be used."""
        line = json.dumps(_explanation(burst, record, failures), separators=(",", ":")) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size + len(line) > self._quota_bytes // 2:
                self.path.replace(self._older)
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            _log.error("decision log: %s", error)

    def latest_sequences(self) -> list[EarlierSequence]:
        """The latest sequences in the log, newest last. Lines of release 0.1 have no event and are left out."""
        found = []
        with suppress(OSError), self.path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LATEST_BYTES))
            for line in stream.read().splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    found.append(_sequence(json.loads(line)))
        return found

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the explanations, oldest first; a line cut short by a power cut is left out.

        Raises:
            StorageError: no permission to read the log.
        """
        for path in (self._older, self.path):
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError(
                    f"decision log {path}: {error.strerror}; only the service may read it: run this as root"
                ) from error
            for line in lines:
                with suppress(ValueError):
                    yield json.loads(line)


def _sequence(entry: dict[str, Any]) -> EarlierSequence:
    began_at, ended_at = (datetime.fromisoformat(entry[name]).astimezone(UTC) for name in ("at", "until"))
    return EarlierSequence(str(entry["event"]), began_at, ended_at, str(entry.get("camera", "")))


def _explanation(burst: str, record: SequenceRecord | None, failures: Sequence[str]) -> dict[str, Any]:
    if record is None:
        return {"burst": burst, "reason": "no frame could be used", "failures": list(failures)}
    bound = "at most " if record.upper_bound else ""
    relation = "reaches" if record.positive else "stays below"
    of_each = {} if isinstance(record.probabilities, UnsetType) else record.probabilities
    return (
        {
            "id": record.id,
            "event": record.event,
            "burst": burst,
            "at": record.started_at.isoformat(),
            "until": record.ended_at.isoformat(),
            "positive": record.positive,
            "confidence": round(record.confidence, 4),
            "threshold": record.threshold,
            "reason": f"mean {bound}{record.confidence:.3f} {relation} {record.threshold:g}",
            "scores": [None if entry.score is None else round(entry.score, 3) for entry in record.frames],
            "regions": sum(entry.region is not None for entry in record.frames),
            "looks": [entry.why for entry in record.frames],
            "bundle": f"{record.bundle.name} {record.bundle.version}",
            "clock": record.clock.source if record.clock.synchronised else f"{record.clock.source}, not synchronised",
            "failures": list(failures),
        }
        | ({"test": True} if record.test else {})
        | ({"camera": record.camera} if record.camera else {})
        | ({"label": record.label, "probabilities": {k: round(v, 4) for k, v in of_each.items()}} if of_each else {})
    )
