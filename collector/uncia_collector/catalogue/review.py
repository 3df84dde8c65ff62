"""Stores people's answers to sequences, takes them back, and keeps each sequence's review state.

No answer is overwritten: each observation is a row. `observations.standing` decides which answer stands. An answer that
names the model's taxon confirms the sequence. An answer that names another positive label of the same bundle
(`NAMED_ANEW`) changes the label; the sequence stays a sighting.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, func, insert, select, type_coerce, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import facts, observations, sequences
from uncia_collector.catalogue.sql import of_sequences, upsert
from uncia_collector.observations.answer import Observation, checked_answer
from uncia_collector.observations.checklist import Checklist, shipped_checklist
from uncia_collector.observations.standing import standing, state
from uncia_contract.errors import DataError

MOST_AT_ONCE = 1000
MOST_INDEXED_BYTES = 2200  # of `also_called`; a row of an index may have 2704
_APPLIED = "checklist"
VERDICTS = ("confirmed", "rejected", "relabelled")

# Relabelled with another positive label of the bundle: the text of `probabilities` contains `"label":`.
_TEXT = type_coerce(sequences.c.probabilities, Text)
NAMED_ANEW = (sequences.c.standing == "relabelled") & (
    func.replace(_TEXT, '"' + sequences.c.review_label + '":', "") != _TEXT
)

Key = tuple[str, str]


class AnsweredMeanwhileError(DataError):
    """Somebody else answered after the page was opened; nothing was stored. `rows` are the answer that stands now."""

    def __init__(self, rows: Sequence[Any]) -> None:
        super().__init__(f"{rows[0].reviewer if rows else 'somebody'} has answered since you opened this page")
        self.rows = rows


def review(database: Database, key: Key, verdict: str, reviewer: str, now: datetime, label: str | None = None) -> None:
    """Store an answer of one observation: a verdict, and for `relabelled` a label.

    Raises:
        DataError: the sequence or the verdict is unknown, or `relabelled` has no valid label.
    """
    give_answer(database, key, [observation_of(verdict, label)], reviewer, now, verdict=verdict)


def observation_of(verdict: str, label: str | None = None) -> Observation:
    """The observation for a verdict: named `label` for `relabelled`, else without a name.

    Raises:
        DataError: the verdict is unknown.
    """
    if verdict not in VERDICTS:
        raise DataError(f"verdict {verdict[:20]!r}: expected one of {', '.join(VERDICTS)}")
    return Observation((label or "").strip() if verdict == "relabelled" else None)


def give_answer(
    database: Database,
    key: Key,
    said: Sequence[Observation],
    reviewer: str,
    now: datetime,
    verdict: str = "relabelled",
    seen: int | None = None,
    checklist: Checklist | None = None,
) -> int:
    """Store an answer and return its number within the sequence.

    Args:
        database: the catalogue.
        key: the sequence.
        said: the observations.
        reviewer: who answers.
        now: the time.
        verdict: for an observation without a name: `confirmed` means what the model says, anything else `rejected`.
        seen: the number of the answer that stood when the page was opened, 0 for none; None skips this check.
        checklist: used instead of the shipped one.

    Raises:
        AnsweredMeanwhileError: an answer other than `seen` stands, and it is not the reviewer's own.
        DataError: the sequence is unknown, or an observation is invalid.
    """
    said, checklist = checked_answer(said), checklist or shipped_checklist()
    with database.writing() as connection:
        database.lock_sequences(connection, [key])
        query = select(sequences.c.label).where(sequences.c.trap == key[0], sequences.c.id == key[1])
        model = connection.execute(query).scalar_one_or_none()
        if model is None:
            raise DataError(f"sequence {key[1]} of {key[0]}: not in the catalogue")
        now_standing = standing_of(connection, key)
        if (
            seen is not None
            and number_of(now_standing) != seen
            and {row.reviewer for row in now_standing} != {reviewer}
        ):
            raise AnsweredMeanwhileError(now_standing)
        number = next_answer(connection, key)
        known = {"trap": key[0], "sequence": key[1], "answer": number, "reviewer": reviewer, "at": now, "undone": False}
        connection.execute(insert(observations), [known | _columns(one, verdict, model, checklist) for one in said])
        apply_standing(connection, key, checklist)
        return number


def newest_of(connection: Connection, reviewer: str) -> Any:
    """The reviewer's newest observation that was not taken back, with its sequence's `started_at`; None without one."""
    o = observations.c
    query = (
        select(observations, o.said.label("label"), sequences.c.started_at)
        .join(sequences, (sequences.c.trap == o.trap) & (sequences.c.id == o.sequence))
        .where(*_own(reviewer), o.undone.is_(False))
    )
    return connection.execute(query.order_by(o.key.desc()).limit(1)).one_or_none()


def given_with(connection: Connection, row: Any) -> list[int]:
    """The keys of the answers that the reviewer gave together with `row`: one observation's key for each sequence."""
    o = observations.c
    near = o.key.between(row.key - MOST_AT_ONCE, row.key)  # a range of the index, so the number of rows does not matter
    same = (*_own(row.reviewer), near, o.at == row.at, o.undone.is_(False))
    query = select(func.max(o.key)).where(*same).group_by(o.trap, o.sequence, o.answer)
    return sorted(connection.execute(query).scalars())


def undo(database: Database, reviewer: str, named: int | None = None, checklist: Checklist | None = None) -> Key | None:
    """Take back the reviewer's answer that holds the observation `named`, or the newest one.

    Returns the sequence's key; None if there is no such answer. Naming an answer twice takes back nothing more.
    """
    o = observations.c
    with database.writing() as connection:
        one = select(observations).where(*_own(reviewer), o.key == named)
        row = newest_of(connection, reviewer) if named is None else connection.execute(one).one_or_none()
        if row is None:
            return None
        of_it = o.trap == row.trap, o.sequence == row.sequence, o.answer == row.answer, o.observation.is_(None)
        connection.execute(update(observations).where(*of_it).values(undone=True))
        apply_standing(connection, (row.trap, row.sequence), checklist)
        return row.trap, row.sequence


def _own(reviewer: str) -> tuple[ColumnElement[bool], ...]:
    return observations.c.reviewer == reviewer, observations.c.observation.is_(None)


def observations_of(connection: Connection, keys: Iterable[Key]) -> dict[Key, list[Any]]:
    """All observations of these sequences, by sequence, oldest first; sequences without any are left out."""
    query = select(observations).where(of_sequences(observations.c.trap, observations.c.sequence, keys))
    found: dict[Key, list[Any]] = {}
    for row in connection.execute(query.order_by(observations.c.key)):
        found.setdefault((row.trap, row.sequence), []).append(row)
    return found


def standing_of(connection: Connection, key: Key) -> list[Any]:
    """The observations of the answer that stands for one sequence."""
    return standing(observations_of(connection, [key]).get(key, ()))


def number_of(rows: Sequence[Any]) -> int:
    """The number of the answer that these rows belong to; 0 without rows."""
    return int(rows[0].answer) if rows else 0


def answer_numbers(connection: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    """The number of the standing answer of each of these sequences that has answers (0 if all were taken back)."""
    return {key: number_of(standing(rows)) for key, rows in observations_of(connection, keys).items()}


def apply_standing(connection: Connection, key: Key, checklist: Checklist | None = None) -> None:
    """Set a sequence's review columns from the answer that stands.

    A taxon is written with the bundle's own label if it has one, else with the checklist's. Of several taxa,
    `review_label` is the first that the bundle looks for, else the first; the others are `also_called`.
    """
    where = (sequences.c.trap == key[0], sequences.c.id == key[1])
    verdict, named = state(standing_of(connection, key))
    if named:
        checklist = checklist or shipped_checklist()
        labels = connection.execute(select(sequences.c.probabilities).where(*where)).scalar_one_or_none() or ()
        named = [next((label for label in labels if checklist.same(label, taxon)), taxon) for taxon in named]
        named.sort(key=lambda label: label not in labels)
    label = named.pop(0) if verdict == "relabelled" else None
    changed = {"review": verdict, "review_label": label, "also_called": fitting(named)}
    connection.execute(update(sequences).where(*where).values(changed))


def fitting(labels: Sequence[str]) -> tuple[str, ...]:
    """These labels as far as an index of PostgreSQL takes them: ten of 70 letters in any alphabet."""
    kept, size = [], 0
    for label in labels:
        size += len(msgspec.json.encode(label)) + 1
        if size > MOST_INDEXED_BYTES:
            break
        kept.append(label)
    return tuple(kept)


def apply_checklist(database: Database, checklist: Checklist) -> int:
    """Update taxa and verdicts of all named observations for a checklist; return how many sequences changed.

    So a name that was free text becomes a taxon when a list contains it. The list that was applied last is not applied
    again.
    """
    if applied_checklist(database) == checklist.fingerprint:
        return 0
    changed = _update_names(database, checklist)
    fact = {"name": _APPLIED, "value": checklist.fingerprint}
    with database.writing() as connection:
        connection.execute(upsert(connection, facts, fact, ["name"], ["value"]))
    return changed


def applied_checklist(database: Database) -> str:
    """The fingerprint of the checklist that was applied last; "" if none was."""
    with database.reading() as connection:
        query = select(facts.c.value).where(facts.c.name == _APPLIED)
        return str(connection.execute(query).scalar() or "")


def _update_names(database: Database, checklist: Checklist) -> int:
    o, changed = observations.c, 0
    query = select(o.said, o.taxon, o.verdict, o.observation.is_not(None).label("survey"), sequences.c.label).distinct()
    query = query.join(sequences, (o.trap == sequences.c.trap) & (o.sequence == sequences.c.id))
    with database.reading() as connection:
        named = connection.execute(query.where(o.said.is_not(None), o.verdict != "rejected")).all()
    for row in named:
        now_meant = meant(row.said, row.label, checklist, survey=row.survey)
        if now_meant == (row.taxon, row.verdict):
            continue
        with database.writing() as connection:
            same = (o.said == row.said, o.taxon == row.taxon, o.verdict == row.verdict)
            found = select(o.key, o.trap, o.sequence).where(*same, o.observation.is_not(None) == row.survey)
            found = found.join(sequences, (o.trap == sequences.c.trap) & (o.sequence == sequences.c.id))
            rows = connection.execute(found.where(sequences.c.label == row.label)).all()
            for one in rows:
                changing = update(observations).where(o.key == one.key)
                connection.execute(changing.values(taxon=now_meant[0], verdict=now_meant[1]))
            for key in {(one.trap, one.sequence) for one in rows}:
                apply_standing(connection, key, checklist)
                changed += 1
    return changed


def meant(name: str, model: str, checklist: Checklist, *, survey: bool = False) -> tuple[str, str]:
    """(taxon, verdict) of a name. A survey's name that is not in the list stays as it is written."""
    taxon = checklist.find(name)
    label = taxon.label if taxon else name if survey else checklist.label_of(name)
    return label, "confirmed" if checklist.same(name, model) else "relabelled"


def _columns(one: Observation, verdict: str, model: str, checklist: Checklist) -> dict[str, Any]:
    told = {name: getattr(one, name) for name in ("count", "sex", "life_stage", "certainty", "note")}
    if one.name is not None:
        taxon, verdict = meant(one.name, model, checklist)
        return told | {"verdict": verdict, "taxon": taxon, "said": one.name}
    if verdict == "confirmed":
        return told | {"verdict": verdict, "taxon": checklist.label_of(model), "said": None}
    return told | {"verdict": "rejected", "taxon": None, "said": None}


def next_answer(connection: Connection, key: Key) -> int:
    """The number of the sequence's next answer."""
    o = observations.c
    newest = select(func.max(o.answer)).where(o.trap == key[0], o.sequence == key[1])
    return int(connection.execute(newest).scalar_one() or 0) + 1
