"""The outcome of a replay: as documented JSON, and as a table for people."""

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from uncia_contract.messages.records import SequenceRecord
from uncia_edge.scoring.observer import Observation
from uncia_simulation.simulate import Replay


def outcome(replay: Replay, bursts: Path) -> dict[str, Any]:
    """The JSON of `uncia-simulate --json`; `files` and `file` are relative to the folder of bursts."""
    return {
        "sequences": [
            _sequence(one, one.record, replay, bursts) for one in replay.observations if one.record is not None
        ],
        "failures": [
            {"file": _relative(failure.file, bursts), "reason": failure.reason}
            for one in replay.observations
            for failure in one.failures
        ],
        "unreadable": replay.unreadable,
        "totals": _totals(replay),
        "pictures": replay.pictures.as_json(),
    }


def _sequence(one: Observation, record: SequenceRecord, replay: Replay, bursts: Path) -> dict[str, Any]:
    received = replay.delivered.get(record.id, 0)
    return {
        "id": record.id,
        "burst": one.burst.name,
        "trap": record.trap,
        "started_at": record.started_at.isoformat().replace("+00:00", "Z"),
        "frames": len(record.frames),
        "frames_scored": record.frames_scored,
        "confidence": record.confidence,
        "upper_bound": record.upper_bound,
        "threshold": record.threshold,
        "positive": record.positive,
        "delivered": record.positive and received == len(record.frames),
        "frames_delivered": received,
        "files": [_relative(frame.path, bursts) for frame in one.frames],
        "scores": [frame.score for frame in record.frames],
    }


def _totals(replay: Replay) -> dict[str, Any]:
    records = [one.record for one in replay.observations if one.record is not None]
    sizes = {record.id: sum(frame.size for frame in record.frames) for record in records}
    return {
        "bursts": len(replay.observations),
        "sequences": len(records),
        "positive": sum(record.positive for record in records),
        "delivered": sum(replay.delivered.get(one.id, 0) == len(one.frames) for one in records if one.positive),
        "frames": sum(len(record.frames) for record in records),
        "frames_scored": sum(record.frames_scored for record in records),
        "failures": sum(len(one.failures) for one in replay.observations),
        "bytes_sent": sum(sizes[record.id] for record in records if record.positive),
        "bytes_kept_back": sum(sizes[record.id] for record in records if not record.positive),
        "seconds": round(replay.seconds, 3),
    }


def print_outcome(result: dict[str, Any], console: Console) -> None:
    """Print the table of sequences, the failures and the totals."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("sequence", overflow="fold")
    table.add_column("time (UTC)", no_wrap=True)
    for name in ("scored", "confidence"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("delivered", no_wrap=True)
    for sequence in result["sequences"]:
        table.add_row(*_row(sequence), style="bold" if sequence["positive"] else "")
    console.print(table)
    for failure in result["failures"]:
        console.print(f"{failure['file']}: {failure['reason']}", style="yellow", markup=False)
    totals = result["totals"]
    console.print(
        f"{totals['frames']} frames in {totals['sequences']} sequences seen, {totals['frames_scored']} scored, "
        f"in {totals['seconds']:.1f} s.\n"
        f"{_size(totals['bytes_sent'])} sent ({totals['delivered']} of {totals['positive']} positive sequences "
        f"delivered), {_size(totals['bytes_kept_back'])} kept back.",
        highlight=False,
    )


def _row(sequence: dict[str, Any]) -> tuple[str, ...]:
    bound = "≤ " if sequence["upper_bound"] else ""
    delivered = f"{sequence['frames_delivered']} of {sequence['frames']}" if sequence["positive"] else "–"
    return (
        sequence["burst"],
        sequence["started_at"][:16].replace("T", " "),
        f"{sequence['frames_scored']} of {sequence['frames']}",
        f"{bound}{sequence['confidence']:.2f}",
        "POSITIVE" if sequence["positive"] else "negative",
        delivered,
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
