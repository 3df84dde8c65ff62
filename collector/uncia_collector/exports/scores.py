"""The catalogue's frames as scored pictures, for MegaDetector JSON and the score table."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from uncia_collector.catalogue.regions import region_of
from uncia_collector.exports.sequences import EVERYTHING, ExportedSequence, Selection, exported_sequences
from uncia_contract.archive.scored_picture import ScoredPicture


def scored_pictures(connection: Connection, only: Selection = EVERYTHING) -> Iterator[ScoredPicture]:
    """Yield every stored frame of a selection; `file` is relative to the data folder."""
    for item in exported_sequences(connection, only=only):
        for frame in item.frames:
            yield _picture(item, frame)


def _picture(item: ExportedSequence, frame: Any) -> ScoredPicture:
    region = region_of(frame.region)
    return ScoredPicture(
        file=frame.path,
        label=item.row.label,
        score=frame.score,
        region=None if region is None else (region.left, region.top, region.width, region.height),
        trap=f"{item.row.trap}/{item.row.camera}" if item.row.camera else item.row.trap,
        sequence=item.row.id,
        taken_at=item.taken_at(frame),
        confidence=item.row.confidence,
        threshold=item.row.threshold,
        positive=item.row.positive,
        probabilities=item.row.probabilities,
        test=item.row.test,
    )
