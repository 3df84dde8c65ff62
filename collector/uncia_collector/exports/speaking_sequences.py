"""Chooses the sequence that represents ("speaks for") an event: Camtrap DP has only its observations at event level.

So the counts of event-level rows can be summed: an animal that sits before the trap for ten sequences is counted once.
An event that reaches beyond a page of sequences is read ahead, once and page by page, so that memory does not grow with
its length.
Decides:
#1 Of the sequences of one event at one place, the one in which people counted most represents it (an observation
   without a count is one). If two are equal, the one with more details; then the earliest.
#2 Each taxon of an event has its own representative.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_

from uncia_collector.catalogue.schema import sequences
from uncia_collector.exports.sequences import ExportedSequence, Gatherer, Selection
from uncia_collector.observations.checklist import Checklist

Key = tuple[str, str]
EventKey = tuple[str, str, str]  # trap, first sequence and label of an event
Spoken = tuple[str, str, str, str]  # the same, and the place


def with_speakers(
    connection: Connection, exact: bool, only: Selection, checklist: Checklist
) -> Iterator[ExportedSequence]:
    """Yield the sequences of a selection, oldest first, with their events (`groups`) and `speaks_for`."""
    gatherer = Gatherer(connection, exact, only, checklist)
    across: dict[EventKey, Any] = {}  # events that may have sequences on this page and on others
    chosen: dict[Spoken, Key] = {}  # their representatives
    for page in gatherer.pages():
        across = {key: one for key, one in across.items() if one.ended_at >= page[0].row.started_at}
        new = {key: one for key, one in _across(page).items() if key not in across}
        others = gatherer.pages(*_answered([*new.values()])) if new else iter(())
        chosen = _representatives(chain(page, chain.from_iterable(others))) | chosen
        labels: dict[Key, set[str]] = {}
        for (_, _, label, _), key in chosen.items():
            labels.setdefault(key, set()).add(label)
        for item in page:
            yield replace(item, speaks_for=frozenset(labels.get((item.row.trap, item.row.id), ())))
        across |= new
        chosen = {spoken: key for spoken, key in chosen.items() if spoken[:3] in across}


def _across(page: list[ExportedSequence]) -> dict[EventKey, Any]:
    """The events of a page (in the order of time) that may have sequences on other pages."""
    first, last = page[0].row.started_at, page[-1].row.started_at
    found = {(one.trap, one.first, one.label): one for item in page for one in item.groups.values()}
    return {
        key: one
        for key, one in found.items()
        if one.sequences > 1 and (one.started_at <= first or one.ended_at >= last)
    }


def _answered(events: list[Any]) -> list[ColumnElement[bool]]:
    """The conditions for answered sequences of these events; the first one bounds the walk of the index of time."""
    s = sequences.c
    whole = s.started_at.between(min(one.started_at for one in events), max(one.ended_at for one in events))
    spans = [and_(s.trap == one.trap, s.started_at.between(one.started_at, one.ended_at)) for one in events]
    return [whole, or_(*spans), s.review != "open"]


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
