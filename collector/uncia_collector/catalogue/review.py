"""Reviews of sequences: confirm, reject, relabel, undo.

Decides that nothing is overwritten: each opinion is a row, and the newest that was not undone is the sequence's state.
An opinion from here counts before one of an imported survey. A label equal to the model's confirms the sequence;
another positive label of the same bundle (`NAMED_ANEW`) corrects the name of a sighting that stays one.
"""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, func, insert, select, type_coerce, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import LABEL_PATTERN, reviews, sequences
from uncia_contract.errors import DataError

VERDICTS = ("confirmed", "rejected", "relabelled")

# Relabelled by another positive label of the bundle. `probabilities` holds `"label":`; replaced by nothing, it changes.
_TEXT = type_coerce(sequences.c.probabilities, Text)
NAMED_ANEW = (sequences.c.standing == "relabelled") & (
    func.replace(_TEXT, '"' + sequences.c.review_label + '":', "") != _TEXT
)

Key = tuple[str, str]


def review(database: Database, key: Key, verdict: str, reviewer: str, now: datetime, label: str | None = None) -> None:
    """Store an opinion.

    Raises:
        DataError: no such sequence, an unknown verdict, a relabelling without a usable label.
    """
    if verdict not in VERDICTS:
        raise DataError(f"verdict {verdict[:20]!r}: expected one of {', '.join(VERDICTS)}")
    if verdict == "relabelled" and not re.fullmatch(LABEL_PATTERN, label or ""):
        raise DataError(f"label {(label or '')[:80]!r}: expected 1 to 80 letters, digits, spaces and _ . ' ( ) / -")
    row = {"trap": key[0], "sequence": key[1], "reviewer": reviewer, "at": now, "undone": False}
    with database.writing() as connection:
        model_label = select(sequences.c.label).where(sequences.c.trap == key[0], sequences.c.id == key[1])
        if verdict != "relabelled":
            label = None
        elif label == connection.execute(model_label).scalar_one_or_none():
            verdict, label = "confirmed", None
        connection.execute(insert(reviews), [row | {"verdict": verdict, "label": label}])
        if not apply_newest_review(connection, key):
            raise DataError(f"sequence {key[1]} of {key[0]}: not in the catalogue")


def newest_of(connection: Connection, reviewer: str) -> Any:
    """The reviewer's newest opinion that stands, with its sequence's `started_at`; None without one."""
    query = (
        select(reviews, sequences.c.started_at)
        .join(sequences, (sequences.c.trap == reviews.c.trap) & (sequences.c.id == reviews.c.sequence))
        .where(*_own(reviewer), reviews.c.undone.is_(False))
    )
    return connection.execute(query.order_by(reviews.c.key.desc()).limit(1)).one_or_none()


def undo(database: Database, reviewer: str, named: int | None = None) -> Key | None:
    """Take back the reviewer's opinion with the key `named`, or the newest; the sequence it was of, None without one.

    Two presses of one button name the same opinion: the second takes back nothing more.
    """
    with database.writing() as connection:
        opinion = select(reviews).where(*_own(reviewer), reviews.c.key == named)
        row = newest_of(connection, reviewer) if named is None else connection.execute(opinion).one_or_none()
        if row is None:
            return None
        connection.execute(update(reviews).where(reviews.c.key == row.key).values(undone=True))
        apply_newest_review(connection, (row.trap, row.sequence))
        return row.trap, row.sequence


def _own(reviewer: str) -> tuple[ColumnElement[bool], ...]:
    return reviews.c.reviewer == reviewer, reviews.c.observation.is_(None)


def apply_newest_review(connection: Connection, key: Key) -> bool:
    """Set the sequence's state to the newest opinion that was not undone; whether there is such a sequence."""
    standing = (
        select(reviews.c.verdict, reviews.c.label)
        .where(reviews.c.trap == key[0], reviews.c.sequence == key[1], reviews.c.undone.is_(False))
        .order_by(reviews.c.observation.is_not(None), reviews.c.key.desc())
        .limit(1)
    )
    row = connection.execute(standing).one_or_none()
    verdict, label = ("open", None) if row is None else row
    where = (sequences.c.trap == key[0], sequences.c.id == key[1])
    return connection.execute(update(sequences).where(*where).values(review=verdict, review_label=label)).rowcount == 1
