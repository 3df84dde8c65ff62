"""What people of a package said, as observations of the catalogue.

Decides: #1 all that a package says of a sequence is one answer; #2 of a sequence that this catalogue exported itself,
the words that are not its own are taken in, each once; #3 by the tag `sequence:CATALOGUE/ID` a sequence is known
wherever it went; without one (packages of release 0.1) by the id of its first picture.
"""

from typing import Any

from sqlalchemy import Connection, insert, select

from uncia_collector.catalogue.review import Key, apply_standing, meant, next_answer
from uncia_collector.catalogue.schema import observations, sequences
from uncia_collector.imports.event import HumanClassification, ImportedEvent
from uncia_collector.observations.checklist import Checklist


def take_words(connection: Connection, key: Key, event: ImportedEvent, checklist: Checklist) -> None:
    """Store what people said of an imported sequence, as one answer (#1)."""
    _store(connection, key, event.people(), event.label, checklist)
    apply_standing(connection, key, checklist)


def take_words_of_others(connection: Connection, key: Key, event: ImportedEvent, checklist: Checklist) -> int:
    """Store what people elsewhere said of a sequence of our own; how many observations were new (#2)."""
    o = observations.c
    known = {*connection.execute(select(o.observation).where(o.trap == key[0], o.sequence == key[1])).scalars()}
    own = f"{key[0]}:{key[1]}:human:"
    people = [one for one in event.people() if own not in one.observation and not _is_known(one.observation, known)]
    label = select(sequences.c.label).where(sequences.c.trap == key[0], sequences.c.id == key[1])
    _store(connection, key, people, connection.execute(label).scalar_one(), checklist)
    apply_standing(connection, key, checklist)
    return len(people)


def _is_known(observation: str, known: set[str | None]) -> bool:
    """Whether it is there, with or without a survey's name before its id (an export of several surveys adds them)."""
    return any(
        one is not None and (one == observation or observation.endswith(f":{one}") or one.endswith(f":{observation}"))
        for one in known
    )


def own_key(event: ImportedEvent, catalogue: str) -> Key | None:
    """Which sequence of this catalogue's traps an event may be (#3); None where it is none."""
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
    return person.told | {
        "reviewer": person.person, "at": person.at, "verdict": verdict, "taxon": taxon, "said": person.label,
        "observation": person.observation,
    }  # fmt: skip
