"""Which media and observations form an event, and which observation counts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.camtrap import BY_MACHINE, medium, observation
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.camtrap_events import by_machine, deciding, split_events

BLANK = {"observationType": "blank", "scientificName": ""}
M1 = {"mediaID": "m1"}


def rows(*given_rows: dict[str, str]) -> list[dict[str, str]]:
    """Rows without empty values, as the reader gives them."""
    return [{name: value for name, value in row.items() if value} for row in given_rows]


def homes(media: list[dict[str, str]], *observations: dict[str, str]) -> dict[str, str]:
    """For each medium, the first observation of its event; "" for media without an event."""
    return {
        row["mediaID"]: event.whole[0]["observationID"] if event.whole else ""
        for event in split_events(rows(*media), rows(*observations), BurstRule())
        for row in event.media
    }


def decides(row: dict[str, str], *observations: dict[str, str]) -> list[str]:
    """The ids of the observations that decide what the medium shows."""
    own = [one for one in rows(*observations) if one.get("observationLevel") == "media"]
    whole = [one for one in rows(*observations) if one.get("observationLevel") == "event"]
    return [one["observationID"] for one in deciding(row, whole, own)]


WORDS = {
    "a person's event over a machine's medium": (
        [observation("p", eventID="e"), observation("m", **M1, **BLANK, **BY_MACHINE)], ["p"]),
    "a person's medium over a person's event": ([observation("e"), observation("p", **M1, **BLANK)], ["p"]),
    "a person's blank event over a machine's animal": (
        [observation("m", **BY_MACHINE), observation("p", **BLANK)], ["p"]),
    "a machine's medium over a machine's event": (
        [observation("e", **BY_MACHINE), observation("m", **M1, **BLANK, **BY_MACHINE)], ["m"]),
    "all that people saw": ([observation("p"), observation("q", scientificName="Capra sibirica")], ["p", "q"]),
    "a machine where a person has not looked": (
        [observation("p", observationType="unclassified"), observation("m", **BY_MACHINE)], ["m"]),
    "a person who does not know over a machine": (
        [observation("p", observationType="unknown"), observation("m", **BY_MACHINE)], ["p"]),
    "nobody": ([observation("p", observationType="unclassified")], []),
}  # fmt: skip


@pytest.mark.parametrize(("observations", "expected"), WORDS.values(), ids=WORDS)
def test_machine_never_outranks_a_person(observations, expected):
    """The order: person on the medium, person on the event, machine on the medium, machine on the event."""
    assert decides(medium("m1"), *observations) == expected


METHODS = {
    "machine": ({"classificationMethod": "machine"}, True),
    "in capitals": ({"classificationMethod": "Machine "}, True),
    "human, about as sure as that": ({"classificationMethod": "human", "classificationProbability": "0.8"}, False),
    "a probability alone": ({"classificationProbability": "0.8"}, True),
    "nothing": ({}, False),
}


@pytest.mark.parametrize(("row", "expected"), METHODS.values(), ids=METHODS)
def test_a_machine_is_known_by_method_or_probability(row, expected):
    """By `classificationMethod`; without it, by a `classificationProbability`."""
    assert by_machine(row) == expected


def test_time_lapse_never_takes_an_events_animal():
    """Neither by the event's id nor by its time; it may take a blank event."""
    lapse = medium("m1", "08:00:03", captureMethod="timeLapse")
    assert decides(lapse, observation("e")) == []
    assert decides(lapse, observation("e", **BLANK)) == ["e"]
    assert decides(lapse, observation("p", **M1)) == ["p"]
    assert homes([lapse], observation("e")) == {"m1": ""}
    assert homes([lapse], observation("e", **BLANK)) == {"m1": "e"}


EVENTS = {
    "named by a person": ([observation("e", eventID="1"), observation("f", eventID="2"),
                           observation("p", eventID="2", **M1)], "f"),
    "by its time": ([observation("e", eventID="1")], "e"),
    "by its time, the event has no id": ([observation("e"), observation("f", scientificName="Capra sibirica")], "e"),
    "by its time, the latest that began": (
        [observation("e", eventID="1", eventStart="2026-01-01T00:00:00Z", eventEnd="2026-12-01T00:00:00Z"),
         observation("f", eventID="2")], "f"),
    "a person's by time before one that a machine names": (
        [observation("e", eventID="1"), observation("f", eventID="2", **BY_MACHINE),
         observation("m", eventID="2", **M1, **BY_MACHINE)], "e"),
    "one that a machine names where a person spoke": (
        [observation("e", eventID="1"), observation("f", eventID="2"),
         observation("m", eventID="2", **M1, **BY_MACHINE)], "f"),
    "a person's by time before a machine's": (
        [observation("f", eventID="2", eventStart="2026-05-01T08:00:02Z", **BY_MACHINE), observation("e", eventID="1")],
        "e"),
    "its time in another zone": (
        [observation("e", eventStart="2026-05-01T13:00:00+05:00", eventEnd="2026-05-01T13:00:10+05:00")], "e"),
    "after its end": ([observation("e", eventEnd="2026-05-01T08:00:02Z")], ""),
    "before its start": ([observation("e", eventStart="2026-05-01T08:00:04Z")], ""),
    "at its very end": ([observation("e", eventEnd="2026-05-01T08:00:03Z")], "e"),
    "a span that is no time": ([observation("e", eventStart="yesterday")], ""),
}  # fmt: skip


@pytest.mark.parametrize(("observations", "expected"), EVENTS.values(), ids=EVENTS)
def test_media_belong_to_an_event(observations, expected):
    """By id or by time; a person's event before a machine's."""
    assert homes([medium("m1", "08:00:03")], *observations) == {"m1": expected}


def test_an_observation_goes_with_its_medium():
    """A machine's observation with another event id, or none, is in the medium's event."""
    observations = [
        observation("e", eventID="1"),
        observation("m", eventID="9", **M1, **BY_MACHINE),
        observation("n", mediaID="m2", **BY_MACHINE),
        observation("o", mediaID="m3"),
    ]
    media = [medium("m1"), medium("m2", "08:00:05"), medium("m3", "09:00:00")]
    event, loose = split_events(rows(*media), rows(*observations), BurstRule())
    assert [row["observationID"] for row in event.observations] == ["e", "m", "n"]
    assert [row["observationID"] for row in loose.observations] == ["o"]


def test_media_of_no_event_are_cut_by_the_burst_rule():
    """Observed or not; time-lapse pictures separately; a medium without a time alone."""
    lapse = {"captureMethod": "timeLapse"}
    media = [medium("m1"), medium("m2", "08:00:03"), medium("m3", "08:00:04", **lapse), medium("m4", "08:00:20")]
    media.append(medium("m5", "T?"))
    events = split_events(rows(*media), rows(observation("a", mediaID="m2")), BurstRule())
    assert [(event.id, [row["mediaID"] for row in event.media], len(event.observations)) for event in events] == [
        ("media m1", ["m1", "m2"], 1),
        ("media m4", ["m4"], 0),
        ("media m5", ["m5"], 0),
        ("media m3", ["m3"], 0),
    ]


spans = st.tuples(st.integers(0, 20), st.integers(0, 6))


@given(st.lists(spans, max_size=8), st.lists(st.integers(0, 26), max_size=8, unique=True))
def test_the_sweep_finds_what_looking_at_every_event_finds(lengths, moments):
    """Of all events that include the time: the last to begin, then the shortest, then the first in the table."""
    minute = "2026-05-01T08:{:02}:00Z".format
    told = [
        observation(str(number), eventID=str(number), eventStart=minute(start), eventEnd=minute(start + length))
        for number, (start, length) in enumerate(lengths)
    ]
    media = [medium(f"m{moment}", f"08:{moment:02}:00") for moment in moments]
    expected = {}
    for moment in moments:
        holding = [(-s, n, str(i)) for i, (s, n) in enumerate(lengths) if s <= moment <= s + n]
        ranked = sorted(holding, key=lambda one: (one[0], one[1], int(one[2])))
        expected[f"m{moment}"] = ranked[0][2] if ranked else ""
    assert homes(media, *told) == expected


def test_twenty_thousand_events_take_seconds():
    """With one event as long as the deployment; every medium has only a time."""
    at = "2026-{:02}-{:02}T{:02}:{:02}:{:02}Z".format
    moments = [at(1 + n // 2400, 1 + n // 100 % 24, n // 10 % 10 + n // 5 % 2, n % 60, 0) for n in range(20_000)]
    told = [
        observation(str(n), eventID=str(n), eventStart=moment, eventEnd=moment[:-3] + "30Z")
        for n, moment in enumerate(moments)
    ]
    told.append(observation("long", eventID="long", eventStart=at(1, 1, 0, 0, 0), eventEnd=at(12, 28, 0, 0, 0)))
    media = [medium(f"m{n}", moment[:-3] + f"{n % 60:02}Z") for n, moment in enumerate(moments)]
    began = time.process_time()
    events = split_events(rows(*media), rows(*told), BurstRule())
    assert time.process_time() - began < 10 and sum(len(event.media) for event in events) == 20_000
