"""Groups the sequences of one trap into events.

Decides what an event and what a sighting is:
#1 A sequence shows what people called it; else its label, where the trap found it positive; else nothing (`""`).
#2 It is a sighting where it stands as `open` or `confirmed`, or was renamed to another positive label of its bundle.
#3 An event is a run of sequences of one trap that show the same, each beginning less than the independence interval
after the end of all before it. So an animal that sits before the trap for two hours is one sighting, and what the wind
triggered in between does not join two visits.
#4 What an imported survey called an event stays one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

INDEPENDENCE_MINUTES = 30


@dataclass(frozen=True)
class Shown:
    """One sequence, what it shows (#1) and whether that is a sighting (#2)."""

    id: str
    started_at: datetime
    ended_at: datetime
    label: str
    sighting: bool
    event: str = ""  # as an imported survey names it


def shown(row: Any) -> Shown:
    """What a row of the catalogue's sequences shows."""
    renamed = row.standing == "relabelled" and row.called in (row.probabilities or ())
    sighting = row.standing in {"open", "confirmed"} or renamed
    label = row.called if sighting or row.standing == "relabelled" else ""
    return Shown(row.id, row.started_at, row.ended_at, label, sighting, row.event if row.origin else "")


@dataclass
class Event:
    """A run of sequences (#3); `first` is the id of its first one."""

    label: str
    sighting: bool
    first: str
    started_at: datetime
    ended_at: datetime
    sequences: int = 1


def events_of(rows: Iterable[Shown], interval: timedelta) -> list[Event]:
    """The events of one trap's sequences, which come in the order of their starts."""
    found: list[Event] = []
    newest: dict[tuple[str, bool, str], Event] = {}
    for row in rows:
        end = min(max(row.started_at, row.ended_at), row.started_at + interval)  # a wrong clock must not join months
        event = newest.get((row.label, row.sighting, row.event))
        if event is not None and (row.event or row.started_at - event.ended_at < interval):
            event.ended_at = max(event.ended_at, end)
            event.sequences += 1
            continue
        found.append(Event(row.label, row.sighting, row.id, row.started_at, end))
        newest[row.label, row.sighting, row.event] = found[-1]  # #4
    return found
