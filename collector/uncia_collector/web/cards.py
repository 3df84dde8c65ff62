"""Cards of the gallery: the sequences of one sighting on one card.

Decides that only sightings share a card; each sequence that shows nothing wants an answer of its own. A card holds what
its page does: of an event that two pages share, or of which a filter shows a part, each page's part.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from uncia_collector.catalogue.events.grouping import events_of, shown

Key = tuple[str, str]


@dataclass(frozen=True)
class Card:
    """`lead` stands for the others: the surest one with a picture; `others` are the rest, newest first."""

    lead: Any
    others: tuple[Any, ...]

    @property
    def rows(self) -> tuple[Any, ...]:
        """All of its sequences."""
        return (self.lead, *self.others)


def cards(rows: Iterable[Any], interval: timedelta, pictures: Mapping[Key, int]) -> list[Card]:
    """One card for each event of these rows, in the order of its first row."""
    rows = [*rows]
    events = _events(rows, interval)
    together: dict[Hashable, list[Any]] = {}
    for row in rows:
        together.setdefault(events.get((row.trap, row.id), (row.trap, row.id)), []).append(row)
    return [_card(group, pictures) for group in together.values()]


def _events(rows: Iterable[Any], interval: timedelta) -> dict[Key, Hashable]:
    """What tells the event of each sighting from the others: a survey's own name of it, else its first sequence."""
    found: dict[Key, Hashable] = {}
    for trap, of_trap in groupby(sorted(rows, key=lambda row: (row.trap, row.started_at)), lambda row: str(row.trap)):
        sighted = [one for row in of_trap if (one := shown(row)).sighting]
        found |= {(trap, one.id): (trap, one.label, "survey", one.event) for one in sighted if one.event}
        own = [one for one in sighted if not one.event]
        for event in events_of(own, interval):
            found |= {
                (trap, one.id): (trap, one.label, "own", event.first)
                for one in own
                if one.label == event.label and event.started_at <= one.started_at <= event.ended_at
            }
    return found


def _card(rows: list[Any], pictures: Mapping[Key, int]) -> Card:
    lead = max(rows, key=lambda row: ((row.trap, row.id) in pictures, row.confidence))
    return Card(lead, tuple(row for row in rows if row is not lead))
