"""Stores the human observations of a package as observations of the catalogue.

Decides:
#1 All human observations that a package has of a sequence are one answer.
#2 If the sequence is here already, only new observations of people elsewhere are stored, each once.
#3 The tag `sequence:CATALOGUE/ID` identifies a sequence of this catalogue; without a tag (packages of release 0.1), the
   id of its first picture does.
"""

from typing import Any

from sqlalchemy import Connection, insert, select

from uncia_collector.catalogue.review import Key, apply_standing, meant, next_answer
from uncia_collector.catalogue.schema import observations, sequences
from uncia_collector.imports.event import HumanClassification, ImportedEvent
from uncia_collector.observations.checklist import Checklist


def store_answers(connection: Connection, key: Key, event: ImportedEvent, checklist: Checklist) -> None:
    """Store what people said of an imported sequence, as one answer (#1)."""
    _store(connection, key, event.people(), event.label, checklist)
    apply_standing(connection, key, checklist)


def store_new_answers(connection: Connection, key: Key, event: ImportedEvent, checklist: Checklist) -> int:
    """Store the new observations of people elsewhere, of a sequence that is here already (#2); return their number."""
    o = observations.c
    known = {*connection.execute(select(o.observation).where(o.trap == key[0], o.sequence == key[1])).scalars()}
    own = f"{key[0]}:{key[1]}:human:"
    people = [one for one in event.people() if own not in one.observation and not _is_known(one.observation, known)]
    if people:  # else nothing changes, and its events need not be grouped again
        label = select(sequences.c.label).where(sequences.c.trap == key[0], sequences.c.id == key[1])
        _store(connection, key, people, connection.execute(label).scalar_one(), checklist)
        apply_standing(connection, key, checklist)
    return len(people)


def _is_known(observation: str, known: set[str | None]) -> bool:
    """Whether an observation's id is known, with or without a prefix (exports of several surveys add their names)."""
    return any(
        one is not None and (one == observation or observation.endswith(f":{one}") or one.endswith(f":{observation}"))
        for one in known
    )


def own_key(event: ImportedEvent, catalogue: str) -> Key | None:
    """(trap, id) of the sequence of this catalogue that an event may be (#3); None if the tag names another one."""
    mark, _, sequence = event.sequence.partition("/")
    ids = [row["mediaID"] for row in event.media] + [row["observationID"] for row in event.observations]
    if not mark:
        trap, _, rest = ids[0].partition(":") if event.media else ("", "", "")
        return trap, rest.rpartition(":")[0]
    if not catalogue.startswith(mark):
        return None
    traps = [before.rpartition(":")[2] for known in ids if (before := known.partition(f":{sequence}:")[0]) != known]
    return (traps[0], sequence) if traps else None


def _store(
    connection: Connection, key: Key, people: list[HumanClassification], model: str, checklist: Checklist
) -> None:
    if people:
        known = {"trap": key[0], "sequence": key[1], "answer": next_answer(connection, key), "undone": False}
        connection.execute(insert(observations), [known | _columns(person, model, checklist) for person in people])


def _columns(person: HumanClassification, model: str, checklist: Checklist) -> dict[str, Any]:
    taxon, verdict = (None, "rejected") if person.label is None else meant(person.label, model, checklist, survey=True)
    return person.details | {
        "reviewer": person.person, "at": person.at, "verdict": verdict, "taxon": taxon, "said": person.label,
        "observation": person.observation,
    }  # fmt: skip
