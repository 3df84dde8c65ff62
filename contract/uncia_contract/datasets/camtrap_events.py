"""Groups media and observations of a Camtrap DP deployment into events; decides which observation of a medium counts.

#1 `eventID` identifies an event; it is unique only within its deployment. Without an `eventID`, the start and end of an
event observation identify it. An observation of a medium belongs to the medium's event. #1a Packages written by uncia
have tags with the sequence; each sequence of such an event is an event of its own, and a person's observation with a
sequence is of the whole sequence, at either level.
#2 A medium belongs to the first of these events: the one that a person's observation of the medium names; the one that
a machine's observation of it names, if a person classified that event; the person's event whose time includes it (the
one that began last); the one that a machine's observation of it names; the machine's event whose time includes it.
#3 A time-lapse picture (`timeLapse`) belongs by its time only to events that are blank, because it may not show the
animal that triggered the camera.
#4 The first of these observations counts: a person's of the medium, a person's of the event, a machine's of the medium,
a machine's of the event. `unclassified` does not count. `classificationMethod` says who classified; where it is empty,
a `classificationProbability` means a machine.
#5 From an event, a time-lapse picture takes only `blank`.
#6 Media without an event, observed or not, are grouped by the burst rule; time-lapse pictures separately.
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
    """The key of an event (#1): its `id`, with the `sequence` of an uncia package (#1a), or `start` and `end`."""

    id: str = ""
    sequence: str = ""
    start: str = ""
    end: str = ""


@dataclass
class CamtrapEvent:
    """Media and observations of one event of a deployment.

    `id` is the eventID, "" where there is none; for media without an event, it is `media` and the id of the first.
    `sequence` is the tag of an uncia package (#1a), else "".
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
    """Whether the observation is of one medium, not of a whole event or sequence (#1a)."""
    if "mediaID" not in observation or observation.get("observationLevel") == "event":
        return False
    # not `by_machine`: a trap's unclassified pictures name no method
    person = observation.get("classificationMethod", "").strip().lower() == "human"
    return not person or tag_of(observation, SEQUENCE_TAG) is None


def is_told(observation: Row) -> bool:
    """Whether the observation is classified."""
    return observation.get("observationType", UNCLASSIFIED) != UNCLASSIFIED


def is_time_lapse(medium: Row) -> bool:
    """Whether the picture was taken by the clock, not by a trigger."""
    return medium.get("captureMethod", "").strip().lower() == "timelapse"


def tag_of(observation: Row, tag: str = _TAG) -> str | None:
    """The value of a tag that uncia wrote: the label, or that of another `tag`; None without one."""
    tags = (part.strip() for part in observation.get("observationTags", "").split("|"))
    return next((one.removeprefix(tag) for one in tags if one.startswith(tag)), None)


def split_events(media: Sequence[Row], observations: Sequence[Row], rule: BurstRule) -> list[CamtrapEvent]:
    """The events of one deployment, those of the burst rule (#6) last.

    Args:
        media: the deployment's media.
        observations: the deployment's observations, in the table's order.
        rule: the burst rule.
    """
    homes = _events_of_media(media, observations)
    events: dict[_Key | None, CamtrapEvent] = {None: CamtrapEvent("")}

    def at(key: _Key | None, row: Row) -> CamtrapEvent:
        named = key or _Key()
        known = row.get("eventID", "") if named.sequence else named.id
        return events.setdefault(key, CamtrapEvent(known, sequence=named.sequence))

    for row in observations:
        own = is_of_medium(row) and row["mediaID"] in homes
        at(homes[row["mediaID"]] if own else _key(row), row).observations.append(row)
    for row in media:
        at(homes[row["mediaID"]], row).media.append(row)
    loose = events.pop(None)
    return [*events.values(), *_bursts(loose, rule)]


def deciding(medium: Row, event: Iterable[Row], own: Iterable[Row]) -> list[Row]:
    """The observations that decide what a medium shows (#4, #5); empty where nobody classified it.

    Args:
        medium: the medium's row.
        event: the observations of its whole event.
        own: the observations of the medium itself.
    """
    whole = [row for row in event if is_told(row)]
    if is_time_lapse(medium) and any(row["observationType"] != BLANK for row in whole):
        whole = []
    alone = [row for row in own if is_told(row)]
    ranked = ((alone, False), (whole, False), (alone, True), (whole, True))
    words = ([row for row in rows if by_machine(row) == machine] for rows, machine in ranked)
    return next((found for found in words if found), [])


def _bursts(loose: CamtrapEvent, rule: BurstRule) -> Iterator[CamtrapEvent]:
    """Events of media without an event (#6)."""
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
    """The key of an observation's event (#1); None where it has none."""
    if "eventID" in row:
        sequence = tag_of(row, SEQUENCE_TAG)
        return _Key(sequence=sequence) if sequence else _Key(row["eventID"])
    return None if is_of_medium(row) else _Key(start=row.get("eventStart", ""), end=row.get("eventEnd", ""))


def _events_of_media(media: Sequence[Row], observations: Sequence[Row]) -> dict[str, _Key | None]:
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
    """For each medium, the event whose time includes it: a person's first, then the last to begin, then the shortest.

    Media and events are visited once in order of time; events that have begun are in a heap, the best on top.
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
