"""Pictures that show people: finds them, so that they are hidden from viewers, and deletes them after a time.

A sequence shows people if a name of kind `human` in the checklist is its label (unless it was rejected), or is in an
answer that was not taken back.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, func, or_, select, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import frames, observations, sequences
from uncia_collector.observations.checklist import Checklist, comparable
from uncia_contract.messages.records import SequenceRecord, decode, encode

ERASED = "erased"
DRAWN = ("thumbnails", "cards", "activations")  # folders of files that are made from frames
_AT_ONCE = 100
_HELD = ("stored", "missing")  # a missing frame too: its record may hold a preview


def human_names(checklist: Checklist) -> frozenset[str]:
    """All names of people, as `comparable` writes them."""
    return frozenset(name for taxon in checklist if taxon.kind == "human" for name in taxon.all_names)


def shows_people(row: Any, said: Iterable[Any], names: Collection[str]) -> bool:
    """Whether a sequence shows people: a row with `review`, `label`, `review_label`, and its observations `said`."""
    called = [] if row.review == "rejected" else [row.review_label or row.label]
    called += [name for one in said for name in (one.taxon, one.said) if name]
    return any(comparable(name) in names for name in called)


def is_hidden(connection: Connection, trap: str, sequence: str, names: Collection[str]) -> bool:
    """Whether a sequence of the catalogue shows people, so that its pictures are hidden from viewers."""
    this = sequences.c.trap == trap, sequences.c.id == sequence
    row = connection.execute(select(sequences.c.review, sequences.c.label, sequences.c.review_label).where(*this))
    said = select(observations.c.taxon, observations.c.said).where(
        observations.c.trap == trap, observations.c.sequence == sequence, observations.c.undone.is_(False)
    )
    found = row.one_or_none()
    return found is not None and shows_people(found, connection.execute(said), names)


def erase(database: Database, root: Path, names: Collection[str], before: datetime) -> int:
    """Delete pictures of people that came before a time, and files made from them; return the number of sequences."""
    count = 0
    while True:
        with database.writing() as connection:
            found = connection.execute(_candidates(names, before).limit(_AT_ONCE)).all()
            for row in found:
                _erase_one(connection, root, row)
        count += len(found)
        if len(found) < _AT_ONCE:
            return count


def _candidates(names: Collection[str], before: datetime) -> Select[Any]:
    written = {form for name in names for form in (name, name.replace(" ", "_"), name.replace(" ", "-"))}
    of_sequence = (observations.c.trap == sequences.c.trap) & (observations.c.sequence == sequences.c.id)
    told = or_(func.lower(observations.c.taxon).in_(written), func.lower(observations.c.said).in_(written))
    said = exists().where(of_sequence, observations.c.undone.is_(False), told)
    called = func.lower(sequences.c.called).in_(written) & (sequences.c.review != "rejected")
    held = exists().where(
        frames.c.trap == sequences.c.trap, frames.c.sequence == sequences.c.id, frames.c.status.in_(_HELD)
    )
    columns = sequences.c.trap, sequences.c.id, sequences.c.record, sequences.c.origin
    return select(*columns).where(sequences.c.received_at < before, or_(called, said), held)


def _erase_one(connection: Connection, root: Path, row: Any) -> None:
    of_row = frames.c.trap == row.trap, frames.c.sequence == row.id, frames.c.status.in_(_HELD)
    for path in connection.execute(select(frames.c.path).where(*of_row, frames.c.path.is_not(None))).scalars():
        for folder in ("frames", *DRAWN):
            (root / path.replace("frames/", f"{folder}/", 1)).unlink(missing_ok=True)
    connection.execute(update(frames).where(*of_row).values(status=ERASED, path=None))
    if row.origin:  # a survey's record holds the rows of its tables, and no preview
        return
    record = decode(row.record, SequenceRecord)
    if record.preview is not None:
        bare = encode(msgspec.structs.replace(record, preview=None))
        this = sequences.c.trap == row.trap, sequences.c.id == row.id
        connection.execute(update(sequences).where(*this).values(record=bare))
