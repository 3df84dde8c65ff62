"""Writes the observations that count as CSV for spreadsheets, oldest first.

Decides:
#1 One line for each observation. A sequence that nobody has answered, or whose answer only denies the model's label,
   has one line without a taxon.
#2 UTF-8 with a byte order mark, because Excel reads other files in another encoding.
#3 Times are in the station's zone with their offset (`UTC+05:00`), and in UTC.
#4 A text that a spreadsheet would run as a formula gets a leading apostrophe.
No other export does #2 or #4.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, TextIO

from sqlalchemy import Connection

from uncia_collector.exports.sequences import EVERYTHING, ExportedSequence, Selection, exported_sequences
from uncia_collector.observations.checklist import Checklist

COLUMNS = [
    "local_time", "time_zone", "utc_time", "place", "trap",
    "scientific_name", "name_en", "name_ru", "kind",
    "count", "sex", "life_stage", "certainty", "note",
    "verdict", "reviewer", "reviewed_at",
    "model_says", "score", "sequence", "event", "test",
]  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_observations_table(
    connection: Connection,
    stream: TextIO,
    zone: tzinfo,
    checklist: Checklist,
    exact: bool = False,
    only: Selection = EVERYTHING,
) -> int:
    """Write the table; return the number of its lines.

    Args:
        connection: to the catalogue.
        stream: UTF-8, opened with `newline=""`.
        zone: the station's.
        checklist: has the names of the taxa.
        exact: whether places are named by their names, else by their ids.
        only: which sequences.
    """
    stream.write(BYTE_ORDER_MARK)  # #2
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    count = 0
    for item in exported_sequences(connection, exact, only, checklist):
        for row in _lines(item, zone, checklist):
            writer.writerow(map(_guarded, row))
            count += 1
    return count


def _lines(item: ExportedSequence, zone: tzinfo, checklist: Checklist) -> Iterator[list[Any]]:
    """The lines of a sequence (#1)."""
    row, place = item.row, item.place
    where = item.location if place is None else place.location_name or place.location_id
    known = [_clock(row.started_at, zone), _offset(row.started_at, zone), _clock(row.started_at, UTC), where, row.trap]
    model = [row.label if row.positive else f"not_{row.label}", round(row.confidence, 4), row.id]
    test = "true" if row.test else ""
    for said in item.observations:
        told = [said.count, said.sex, said.life_stage, said.certainty, said.note]
        by = [said.verdict, said.reviewer, _clock(said.at, zone)]
        yield [*known, *_names(said, item, checklist), *told, *by, *model, item.event_id(said), test]
    if not item.observations:
        yield [*known, "", "", "", "", None, "", "", "", "", "not reviewed", "", "", *model, item.event_id(), test]


def _names(said: Any, item: ExportedSequence, checklist: Checklist) -> list[str]:
    """Scientific name, English name, Russian name and kind; for a word that the checklist lacks, the word itself."""
    taxon = checklist.find(said.taxon)
    if taxon is not None:
        return [taxon.scientific_name, taxon.name("en"), taxon.name("ru"), taxon.kind]
    scientific = {} if item.event is None else item.event.scientific_names()
    return [scientific.get(str(said.taxon), ""), said.said or said.taxon or "", "", ""]


def _clock(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _offset(moment: datetime, zone: tzinfo) -> str:
    return f"UTC{moment.astimezone(zone).isoformat()[-6:]}"


def _guarded(value: object) -> object:
    """The value, with an apostrophe before a formula (#4)."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value
