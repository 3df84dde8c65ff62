"""Chooses the sequence that represents ("speaks for") an event: Camtrap DP has only its observations at event level.

So the counts of event-level rows can be summed: an animal that sits before the trap for ten sequences is counted once.
The answered sequences of one event are read at once: memory grows with the longest event, not with the catalogue.
Decides:
#1 Of the sequences of one event at one place, the one in which people counted most represents it (an observation
   without a count is one). If two are equal, the one with more details; then the earliest.
#2 Each taxon of an event has its own representative.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from uncia_collector.catalogue.gallery import SHOWN
from uncia_collector.catalogue.schema import sequences
from uncia_collector.exports.sequences import ExportedSequence, Gatherer, Selection
from uncia_collector.observations.checklist import Checklist

Key = tuple[str, str]
Spoken = tuple[str, str, str, str]  # trap, first sequence and label of an event, place


def with_speakers(
    connection: Connection, exact: bool, only: Selection, checklist: Checklist
) -> Iterator[ExportedSequence]:
    """Yield the sequences of a selection, oldest first, with their events (`groups`) and `speaks_for`."""
    gatherer = Gatherer(connection, exact, only, checklist)
    for page in gatherer.pages():
        labels: dict[Key, set[str]] = {}
        for (_, _, label, _), key in _representatives(
            [*page, *gatherer.gather(_beside(connection, page, only))]
        ).items():
            labels.setdefault(key, set()).add(label)
        for item in page:
            yield replace(item, speaks_for=frozenset(labels.get((item.row.trap, item.row.id), ())))


def _beside(connection: Connection, page: list[ExportedSequence], only: Selection) -> list[Any]:
    """The rows of answered sequences on other pages that share an event with one of this page (ordered by time)."""
    s, first, last = sequences.c, page[0].row.started_at, page[-1].row.started_at
    events = {(one.trap, one.first, one.label): one for item in page for one in item.groups.values()}.values()
    across = [one for one in events if one.sequences > 1 and (one.started_at <= first or one.ended_at >= last)]
    if not across:
        return []
    spans = [and_(s.trap == one.trap, s.started_at.between(one.started_at, one.ended_at)) for one in across]
    rows = connection.execute(select(*SHOWN).where(or_(*spans), s.review != "open", *only.where())).all()
    known = {(item.row.trap, item.row.id) for item in page}
    return [row for row in rows if (row.trap, row.id) not in known]


def _representatives(items: Iterable[ExportedSequence]) -> dict[Spoken, Key]:
    """The (trap, id) of the sequence that represents each event (#1, #2)."""
    best: dict[Spoken, tuple[Any, Key]] = {}
    for item in items:
        said: dict[Spoken, list[Any]] = {}
        for one in item.observations:
            group, place = item.group(one), "" if item.place is None else item.place.id
            said.setdefault((group.trap, group.first, group.label, place), []).append(one)
        for event, observations in said.items():
            rank = _rank(item, observations)
            if event not in best or rank > best[event][0]:
                best[event] = rank, (item.row.trap, item.row.id)
    return {event: key for event, (_, key) in best.items()}


def _rank(item: ExportedSequence, said: list[Any]) -> tuple[int, int, float]:
    counted = sum(one.count or 1 for one in said)
    told = sum(bool(part) for one in said for part in (one.count, one.sex, one.life_stage, one.certainty, one.note))
    return counted, told, -item.row.started_at.timestamp()
