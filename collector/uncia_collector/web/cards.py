"""Groups sequences into the cards of the gallery: the sequences of one sighting are one card.

Decides that only sightings share a card, because each sequence that shows nothing needs its own answer. A card holds
only sequences of its page: if an event is on two pages, or partly outside the filter, each page has its part.
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
    """One card. `lead` is the sequence that it shows: of those with a picture, the one with the highest confidence.

    `others` are the rest, in the order of the page.
    """

    lead: Any
    others: tuple[Any, ...]

    @property
    def rows(self) -> tuple[Any, ...]:
        """All sequences of the card, `lead` first."""
        return (self.lead, *self.others)


def cards(rows: Iterable[Any], interval: timedelta, pictures: Mapping[Key, int]) -> list[Card]:
    """One card for each event of these rows, in the order of each event's first row.

    Args:
        rows: sequences.
        interval: the shortest pause between two events of one trap.
        pictures: the frame that can be shown, for each (trap, id) with one.
    """
    rows = [*rows]
    events = _events(rows, interval)
    together: dict[Hashable, list[Any]] = {}
    for row in rows:
        together.setdefault(events.get((row.trap, row.id), (row.trap, row.id)), []).append(row)
    return [_card(group, pictures) for group in together.values()]


def _events(rows: Iterable[Any], interval: timedelta) -> dict[Key, Hashable]:
    """A key of the event of each sighting: made from the survey's event id, else from the event's first sequence."""
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
