"""Groups the sequences of one trap into events.

Decides what an event is and what a sighting is:
#1 A sequence shows the label that people gave it; else its own label if it is positive; else nothing (`""`).
#1a If an answer names several taxa, the sequence shows each of them and belongs to an event of each.
#2 It is a sighting if its standing is `open` or `confirmed`, or if it was renamed to another positive label of its
bundle.
#3 An event is a run of sequences of one trap (of a hub: of one camera) that show the same; each begins less than the
independence interval after the end of those before it. So an animal that sits before the trap for two hours is one
sighting, and sequences that show nothing do not join two sightings.
#4 An event of an imported survey stays as the survey names it; sequences imported from another uncia are grouped like
the station's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

INDEPENDENCE_MINUTES = 30


@dataclass(frozen=True)
class Shown:
    """One sequence with the label that it shows (#1), and whether that is a sighting (#2)."""

    id: str
    started_at: datetime
    ended_at: datetime
    label: str
    sighting: bool
    event: str = ""  # the name of an imported survey's event
    camera: str = ""


def shown(row: Any) -> Shown:
    """The main label that a row of `sequences` shows (#1, #2)."""
    renamed = row.standing == "relabelled" and row.called in (row.probabilities or ())
    sighting = row.standing in {"open", "confirmed"} or renamed
    label = row.called if sighting or row.standing == "relabelled" else ""
    return Shown(row.id, row.started_at, row.ended_at, label, sighting, row.event if row.origin else "", row.camera)


def all_shown(row: Any) -> list[Shown]:
    """All labels that a row shows (#1a), the one of `shown` first."""
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
    """The events of one trap's sequences, which must be in the order of their starts."""
    return join(((alone(row, interval), row.event) for row in rows), interval)


def alone(row: Shown, interval: timedelta) -> Event:
    """The event of one sequence alone. It ends at most one interval after its start, because of wrong clocks."""
    end = min(max(row.started_at, row.ended_at), row.started_at + interval)
    return Event(row.label, row.sighting, row.id, row.started_at, end, camera=row.camera)


def join(parts: Iterable[tuple[Event, str]], interval: timedelta) -> list[Event]:
    """Join parts of events, in the order of (start, first sequence), to events (#3).

    Each part comes with the name of an imported survey's event (#4), else "".
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
