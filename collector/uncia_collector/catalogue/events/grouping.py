"""Groups the sequences of one trap into events.

Decides what an event and what a sighting is:
#1 A sequence shows what people called it; else its label, where the trap found it positive; else nothing (`""`).
#1a Where an answer names several taxa it shows each of them: one event, or part of one, for each.
#2 It is a sighting where it stands as `open` or `confirmed`, or was renamed to another positive label of its bundle.
#3 An event is a run of sequences of one trap (of a hub: of one camera) that show the same, each beginning less than the
independence interval after the end of all before it. So an animal that sits before the trap for two hours is one
sighting, and what the wind triggered in between does not join two visits.
#4 What an imported survey called an event stays one; sequences of another uncia are grouped as the station's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    camera: str = ""


def shown(row: Any) -> Shown:
    """What a row of the catalogue's sequences shows."""
    renamed = row.standing == "relabelled" and row.called in (row.probabilities or ())
    sighting = row.standing in {"open", "confirmed"} or renamed
    label = row.called if sighting or row.standing == "relabelled" else ""
    return Shown(row.id, row.started_at, row.ended_at, label, sighting, row.event if row.origin else "", row.camera)


def all_shown(row: Any) -> list[Shown]:
    """Each label that a row shows (#1a), that of `shown` first."""
    first, positive = shown(row), row.probabilities or ()
    return [first, *(replace(first, label=label, sighting=label in positive) for label in row.also_called)]


@dataclass
class Event:
    """A run of sequences (#3); `first` is the id of its first one."""

    label: str
    sighting: bool
    first: str
    started_at: datetime
    ended_at: datetime
    sequences: int = 1
    camera: str = ""


def events_of(rows: Iterable[Shown], interval: timedelta) -> list[Event]:
    """The events of one trap's sequences, which come in the order of their starts."""
    return join(((alone(row, interval), row.event) for row in rows), interval)


def alone(row: Shown, interval: timedelta) -> Event:
    """A sequence as an event of its own; its end counts for one interval at most, for a wrong clock joins no months."""
    end = min(max(row.started_at, row.ended_at), row.started_at + interval)
    return Event(row.label, row.sighting, row.id, row.started_at, end, camera=row.camera)


def join(parts: Iterable[tuple[Event, str]], interval: timedelta) -> list[Event]:
    """The events that these parts of events make (#3), which come in the order of (start, first sequence).

    With each comes the name that an imported survey gave its event (#4), else nothing.
    """
    found: list[Event] = []
    newest: dict[tuple[str, bool, str, str], Event] = {}
    for part, named in parts:
        event = newest.get((part.label, part.sighting, named, part.camera))
        if event is not None and (named or part.started_at - event.ended_at < interval):
            event.ended_at = max(event.ended_at, part.ended_at)
            event.sequences += part.sequences
            continue
        found.append(replace(part))
        newest[part.label, part.sighting, named, part.camera] = found[-1]
    return found
