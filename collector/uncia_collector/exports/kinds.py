"""The kinds of export, by the names that page and command line know."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.coco import coco_camera_traps
from uncia_collector.exports.scores import scored_pictures
from uncia_collector.exports.training import write_training_table
from uncia_contract.errors import DataError
from uncia_contract.megadetector import megadetector_results
from uncia_contract.score_table import write_score_table


@dataclass(frozen=True)
class Request:
    """What an export is made of; `beside` is the folder in which a training table will lie."""

    connection: Connection
    station: str
    root: Path
    now: datetime
    exact: bool = False
    beside: Path | None = None


@dataclass(frozen=True)
class Kind:
    """One format: its file's name and type, its words on the page, and what makes its bytes."""

    file: str
    media_type: str
    title: str
    text: str
    make: Callable[[Request], bytes]


def _camtrap_dp(request: Request) -> bytes:
    stream = io.BytesIO()
    write_camtrap_dp(request.connection, stream, request.station, request.now, request.exact)
    return stream.getvalue()


def _megadetector(request: Request) -> bytes:
    return _json(megadetector_results(scored_pictures(request.connection), "uncia", request.now))


def _coco(request: Request) -> bytes:
    return _json(coco_camera_traps(request.connection, request.station, request.exact))


def _scores(request: Request) -> bytes:
    stream = io.StringIO(newline="")
    write_score_table(stream, scored_pictures(request.connection))
    return stream.getvalue().encode()


def _training(request: Request) -> bytes:
    stream = io.StringIO(newline="")
    write_training_table(request.connection, stream, request.root, request.beside or request.root)
    return stream.getvalue().encode()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


KINDS = {
    "camtrap-dp": Kind(
        "camtrap-dp.zip", "application/zip", "Camtrap DP 1.0",
        "For GBIF, Agouti and R: deployments, media and observations, blanks included.", _camtrap_dp,
    ),
    "megadetector": Kind(
        "megadetector.json", "application/json", "MegaDetector JSON 1.6",
        "For Timelapse and other tools that read MegaDetector's results.", _megadetector,
    ),
    "coco": Kind("coco.json", "application/json", "COCO Camera Traps", "For data sets in LILA's format.", _coco),
    "scores": Kind("scores.csv", "text/csv", "Scores (CSV)", "One line a frame, for a spreadsheet.", _scores),
    "training": Kind(
        "training.csv", "text/csv", "Training data (CSV)",
        "What was reviewed, for uncia-train; rejects teach it what not to report. Save it in the data folder.",
        _training,
    ),
}  # fmt: skip


def export(kind: str, request: Request) -> bytes:
    """The file of that kind.

    Raises:
        DataError: no such kind, or what it needs is not known.
    """
    if kind not in KINDS:
        raise DataError(f"export {kind[:20]!r}: expected one of {', '.join(KINDS)}")
    return KINDS[kind].make(request)
