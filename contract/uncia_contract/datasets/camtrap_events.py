"""Which media and observations of a Camtrap DP deployment are one event, and whose word decides what a medium shows.

Decides:
#1 An event is named by `eventID`, which is unique only within its deployment; without one, by the start and end of an
event observation. An observation of a medium goes with its medium. #1a An uncia tags rows with their sequence; each
sequence of an event is one by itself.
#2 A medium belongs to the event that a person's observation of it names; else to the one that a machine's names, if a
person said what it shows; else to the person's event whose time holds it, the latest that began; else to the one that a
machine's names; else to the machine's event whose time holds it.
#3 A picture that was taken by the clock (`timeLapse`) is held by the time of events that are blank alone: it may show
nothing of what set the camera off.
#4 Whose word decides: a person's of the medium, a person's of its event, a machine's of the medium, a machine's of the
event. `unclassified` is nobody's word. `classificationMethod` says who classified; where it says nothing, a
`classificationProbability` means a machine.
#5 Of an event, a medium of the clock takes `blank` alone.
#6 Media of no event, observed or not, are cut by the burst rule; those of the clock apart from the others.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.datasets.camtrap_package import Row, moment_of

BLANK, UNCLASSIFIED = "blank", "unclassified"
_TAG, SEQUENCE_TAG = "label:", "sequence:"


class _Key(NamedTuple):
    """What names an event (#1): its `id`, with the `sequence` of an uncia (#1a), or `start` and `end`."""

    id: str = ""
    sequence: str = ""
    start: str = ""
    end: str = ""


@dataclass
class CamtrapEvent:
    """Rows of one deployment that belong together; `id` is the eventID, "" where there is none.

    That of media of no event is `media` and the id of the first. `sequence` is an uncia's tag (#1a), else "".
    """

    id: str
    media: list[Row] = field(default_factory=list)
    observations: list[Row] = field(default_factory=list)
    sequence: str = ""

    @property
    def whole(self) -> list[Row]:
        """The observations of the event as a whole."""
        return [row for row in self.observations if not is_of_medium(row)]


def by_machine(observation: Row) -> bool:
    """Whether a machine classified it (#4)."""
    method = observation.get("classificationMethod", "").strip().lower()
    return method != "human" if method else "classificationProbability" in observation


def is_of_medium(observation: Row) -> bool:
    """Whether it says what one medium shows, not a whole event."""
    return "mediaID" in observation and observation.get("observationLevel") != "event"


def is_told(observation: Row) -> bool:
    """Whether anybody said what it shows."""
    return observation.get("observationType", UNCLASSIFIED) != UNCLASSIFIED


def is_time_lapse(medium: Row) -> bool:
    """Whether the clock set the camera off."""
    return medium.get("captureMethod", "").strip().lower() == "timelapse"


def tag_of(observation: Row, tag: str = _TAG) -> str | None:
    """The label, or another value, that an uncia wrote down as a tag."""
    tags = (part.strip() for part in observation.get("observationTags", "").split("|"))
    return next((one.removeprefix(tag) for one in tags if one.startswith(tag)), None)


def split_events(media: Sequence[Row], observations: Sequence[Row], rule: BurstRule) -> list[CamtrapEvent]:
    """The events of one deployment, those of the burst rule (#6) last.

    Args:
        media: the deployment's.
        observations: the deployment's, in the table's order.
        rule: when a burst ends.
    """
    homes = _homes(media, observations)
    events: dict[_Key | None, CamtrapEvent] = {None: CamtrapEvent("")}

    def at(key: _Key | None) -> CamtrapEvent:
        named = key or _Key()
        return events.setdefault(key, CamtrapEvent(named.id, sequence=named.sequence))

    for row in observations:
        own = is_of_medium(row) and row["mediaID"] in homes
        at(homes[row["mediaID"]] if own else _key(row)).observations.append(row)
    for row in media:
        at(homes[row["mediaID"]]).media.append(row)
    loose = events.pop(None)
    return [*events.values(), *_bursts(loose, rule)]


def deciding(medium: Row, event: Iterable[Row], own: Iterable[Row]) -> list[Row]:
    """The observations that decide what a medium shows (#4, #5); none where nobody looked.

    Args:
        medium: the row of the picture.
        event: the observations of its event as a whole.
        own: those of the medium alone.
    """
    whole = [row for row in event if is_told(row)]
    if is_time_lapse(medium) and any(row["observationType"] != BLANK for row in whole):
        whole = []
    alone = [row for row in own if is_told(row)]
    ranked = ((alone, False), (whole, False), (alone, True), (whole, True))
    words = ([row for row in rows if by_machine(row) == machine] for rows, machine in ranked)
    return next((found for found in words if found), [])


def _bursts(loose: CamtrapEvent, rule: BurstRule) -> Iterator[CamtrapEvent]:
    """#6."""
    said: dict[str, list[Row]] = {}
    for row in loose.observations:
        said.setdefault(row["mediaID"], []).append(row)
    for by_clock in (False, True):
        rows = {row["mediaID"]: row for row in loose.media if is_time_lapse(row) == by_clock}
        seen = (Frame(known, Path(known), moment_of(row.get("timestamp", ""))) for known, row in rows.items())
        for burst in bursts(seen, rule):
            known = [frame.name for frame in burst.frames]
            observations = [row for name in known for row in said.get(name, ())]
            yield CamtrapEvent(f"media {known[0]}", [rows[name] for name in known], observations)


def _key(row: Row) -> _Key | None:
    """What names an observation's event (#1); None where nothing does."""
    if "eventID" in row:
        return _Key(row["eventID"], tag_of(row, SEQUENCE_TAG) or "")
    return None if is_of_medium(row) else _Key(start=row.get("eventStart", ""), end=row.get("eventEnd", ""))


def _homes(media: Sequence[Row], observations: Sequence[Row]) -> dict[str, _Key | None]:
    """The event of each medium (#2)."""
    named: dict[bool, dict[str, _Key]] = {True: {}, False: {}}
    whole: dict[_Key, list[Row]] = {}
    for row in observations:
        key = _key(row)
        if key is not None and "mediaID" in row:
            named[by_machine(row)].setdefault(row["mediaID"], key)
        if key is not None and not is_of_medium(row):
            whole.setdefault(key, []).append(row)
    spoken = {key for key, rows in whole.items() if any(is_told(row) and not by_machine(row) for row in rows)}
    held = _held([row for row in media if not is_time_lapse(row)], whole, spoken)
    blank = {key: rows for key, rows in whole.items() if {row.get("observationType") for row in rows} == {BLANK}}
    held |= _held([row for row in media if is_time_lapse(row)], blank, spoken)  # #3

    def home(medium: str) -> _Key | None:
        person, machine, time = named[False].get(medium), named[True].get(medium), held.get(medium)
        if person is not None or machine is None:
            return person or time
        if machine.sequence:
            return machine
        return time if machine not in spoken and time in spoken else machine

    return {row["mediaID"]: home(row["mediaID"]) for row in media}


def _held(media: list[Row], events: dict[_Key, list[Row]], spoken: set[_Key]) -> dict[str, _Key]:
    """The event whose time holds each medium: a person's first, then the latest that began, then the shortest.

    Goes once through media and events in order of time; events that have begun wait in a heap, the best on top.
    """
    spans = [
        (began.timestamp(), ended.timestamp(), number, key)
        for number, (key, rows) in enumerate(events.items())
        for row in rows
        if (began := moment_of(row.get("eventStart", ""))) and (ended := moment_of(row.get("eventEnd", "")))
    ]
    coming = iter(sorted(spans))
    timed = ((moment.timestamp(), row["mediaID"]) for row in media if (moment := moment_of(row.get("timestamp", ""))))
    begun: list[tuple[bool, float, float, int, _Key]] = []
    found, upcoming = {}, next(coming, None)
    for at, medium in sorted(timed):
        while upcoming is not None and upcoming[0] <= at:
            start, end, number, key = upcoming
            heapq.heappush(begun, (key not in spoken, -start, end, number, key))
            upcoming = next(coming, None)
        while begun and begun[0][2] < at:
            heapq.heappop(begun)
        if begun:
            found[medium] = begun[0][4]
    return found
