"""The table of all export formats (`KINDS`), by the names that page and command line use."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import BinaryIO, TextIO

from sqlalchemy import Connection

from uncia_collector.catalogue.access.people_in_pictures import human_names
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.coco import write_coco_camera_traps
from uncia_collector.exports.left_out import LeftOut, what_is_left_out
from uncia_collector.exports.observations_table import write_observations_table
from uncia_collector.exports.scores import scored_pictures
from uncia_collector.exports.sequences import EVERYTHING, Selection
from uncia_collector.exports.training import write_training_table
from uncia_collector.observations.checklist import Checklist, shipped_checklist
from uncia_contract.archive.megadetector import write_megadetector
from uncia_contract.archive.score_table import write_score_table
from uncia_contract.errors import DataError


@dataclass(frozen=True)
class Request:
    """What to export, and how.

    Attributes:
        connection: to the catalogue.
        station: the station's name.
        root: the data folder.
        now: noted as the time of the export.
        exact: whether coordinates and names of places are exact.
        beside: the folder in which a training table will be stored; None: `root`.
        pictures: whether the file holds the pictures (Camtrap DP only).
        checklist: the station's.
        zone: the station's.
        only: which sequences.
        people: whether pictures that show people are exported, too.
        has_pictures: whether `root` holds the pictures. If not, no picture is reported as missing.
    """

    connection: Connection
    station: str
    root: Path
    now: datetime
    exact: bool = False
    beside: Path | None = None
    pictures: bool = False
    checklist: Checklist = field(default_factory=shipped_checklist)
    zone: tzinfo = UTC
    only: Selection = EVERYTHING
    people: bool = False
    has_pictures: bool = True

    @property
    def looked_at(self) -> Path | None:
        """The folder in which the export checks for the pictures' files; None: no check."""
        return self.root if self.has_pictures or self.pictures else None


@dataclass(frozen=True)
class Kind:
    """One format: name and media type of its file, its title and text on the page, and the function that writes it.

    `foresee` counts what the file would leave out; None for a format that leaves nothing out.
    """

    file: str
    media_type: str
    title: str
    text: str
    write: Callable[[Request, BinaryIO], LeftOut | None]
    foresee: Callable[[Request], LeftOut] | None = None


def _camtrap_dp(request: Request, stream: BinaryIO) -> LeftOut:
    told = (
        request.station,
        request.now,
        request.exact,
        request.pictures,
        request.looked_at,
        request.checklist,
        request.only,
    )
    return write_camtrap_dp(request.connection, stream, *told)


def _megadetector(request: Request, stream: BinaryIO) -> None:
    with _as_text(stream) as text:
        write_megadetector(text, scored_pictures(request.connection, request.only), "uncia", request.now)


def _coco(request: Request, stream: BinaryIO) -> None:
    with _as_text(stream) as text:
        write_coco_camera_traps(request.connection, text, request.station, request.only)


def _scores(request: Request, stream: BinaryIO) -> None:
    with _as_text(stream) as text:
        write_score_table(text, scored_pictures(request.connection, request.only))


def _observations(request: Request, stream: BinaryIO) -> None:
    with _as_text(stream) as text:
        told = request.zone, request.checklist, request.exact, request.only
        write_observations_table(request.connection, text, *told)


def _training(request: Request, stream: BinaryIO) -> None:
    with _as_text(stream) as text:
        write_training_table(request.connection, text, request.root, request.beside or request.root, request.only)


@contextmanager
def _as_text(stream: BinaryIO) -> Iterator[TextIO]:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()  # flushes, and leaves the stream open for its owner


KINDS = {
    "camtrap-dp": Kind(
        "camtrap-dp.zip", "application/zip", "Camtrap DP 1.0",
        "For GBIF, Agouti and R: deployments, media, people's answers and the model's score of each picture.",
        _camtrap_dp, lambda request: what_is_left_out(request.connection, request.looked_at, request.only),
    ),
    "megadetector": Kind(
        "megadetector.json", "application/json", "MegaDetector JSON 1.6",
        "For Timelapse and other tools that read MegaDetector's results.", _megadetector,
    ),
    "coco": Kind("coco.json", "application/json", "COCO Camera Traps", "For data sets in LILA's format.", _coco),
    "scores": Kind("scores.csv", "text/csv", "Scores (CSV)", "One line for each frame, for programs.", _scores),
    "observations": Kind(
        "observations.csv", "text/csv", "Observations (CSV)",
        "For a spreadsheet: one line for each observation; sequences without an answer too.", _observations,
    ),
    "training": Kind(
        "training.csv", "text/csv", "Training data (CSV)",
        "Reviewed sequences for uncia-train; rejected ones are the negatives. Save the file in the data folder.",
        _training,
    ),
}  # fmt: skip


def export(kind: str, request: Request, stream: BinaryIO) -> LeftOut | None:
    """Write the file of that kind, in bounded memory; return what it left out (None as for `foreseen`).

    Raises:
        DataError: there is no such kind, or the catalogue lacks what the format needs.
    """
    if kind not in KINDS:
        raise DataError(f"export {kind[:20]!r}: expected one of {', '.join(KINDS)}")
    return KINDS[kind].write(_hiding(request), stream)


def foreseen(kind: str, request: Request) -> LeftOut | None:
    """What an export of that kind would hold and leave out now; None for a kind that leaves nothing out."""
    foresee = KINDS[kind].foresee
    return None if foresee is None else foresee(_hiding(request))


def _hiding(request: Request) -> Request:
    """The request, without pictures that show people unless it asks for them."""
    if request.people:
        return request
    return replace(request, only=replace(request.only, hidden=human_names(request.checklist)))
