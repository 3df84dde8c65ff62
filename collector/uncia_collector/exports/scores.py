"""The catalogue's frames as scored pictures, for MegaDetector JSON and the score table."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from uncia_collector.exports.sequences import ExportedSequence, exported_sequences
from uncia_contract.archive.scored_picture import ScoredPicture


def scored_pictures(connection: Connection) -> Iterator[ScoredPicture]:
    """Every stored frame; `file` is relative to the data folder."""
    for item in exported_sequences(connection):
        for frame in item.frames:
            yield _picture(item, frame)


def _picture(item: ExportedSequence, frame: Any) -> ScoredPicture:
    region = None
    if frame.region:
        left, top, width, height = (float(part) for part in frame.region.split(","))
        region = (left, top, width, height)
    return ScoredPicture(
        file=frame.path,
        label=item.row.label,
        score=frame.score,
        region=region,
        trap=item.row.trap,
        sequence=item.row.id,
        taken_at=frame.taken_at or item.row.started_at,
        confidence=item.row.confidence,
        threshold=item.row.threshold,
        positive=item.row.positive,
    )
