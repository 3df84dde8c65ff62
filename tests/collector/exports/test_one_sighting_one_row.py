"""An animal that stays for several sequences is one row at event level in Camtrap DP, and comes back as several."""

import csv
import io
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.collector.exports.test_camtrap_dp import mistakes_in, needs_standard
from tests.collector.imports.test_round_trip import make_empty, make_station

from uncia_collector.catalogue.review import give_answer
from uncia_collector.catalogue.schema import sequences
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.sequences import Selection
from uncia_collector.observations.answer import Observation

__all__ = ["make_empty", "make_station"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
LEOPARD = Observation("Snow leopard")
STAY = {
    "1": [LEOPARD],
    "2": [Observation("Snow leopard", 1, "female", "adult"), Observation("Snow leopard", 2, "", "juvenile")],
    "3": [LEOPARD, Observation("ibex", 4)],
    "4": [Observation("ibex", 7)],
    "5": [Observation()],
    "6": [Observation()],
    "7": None,
}


def rows_of(station, only=None) -> list[dict[str, str]]:
    """The table of observations."""
    stream = io.BytesIO()
    with station.database.reading() as connection:
        told = {"only": only} if only else {}
        write_camtrap_dp(connection, stream, "Base station", NOW, root=station.root, **told)
    with zipfile.ZipFile(stream) as package:
        return [*csv.DictReader(io.TextIOWrapper(package.open("observations.csv"), "utf-8"))]


def at_event_level(rows) -> list[tuple[str, str, str, str]]:
    """What a tool reads that filters on events: type, name, life stage and count."""
    columns = ("observationType", "scientificName", "lifeStage", "count")
    return sorted(tuple(row[name] for name in columns) for row in rows if row["observationLevel"] == "event")


COUNTED = [
    ("animal", "Capra sibirica", "", "7"),
    ("animal", "Panthera uncia", "adult", "1"),
    ("animal", "Panthera uncia", "juvenile", "2"),
    ("unknown", "", "", ""),
]


def test_counts_of_events_can_be_summed(make_station):
    """The standard wants event-level rows to exclude each other: three leopards and seven ibexes, each once."""
    assert at_event_level(rows_of(make_station("field", STAY))) == COUNTED


def test_a_tool_that_reads_events_finds_each_taxon_of_an_event_once(make_station):
    """As camtrapDensity, camtraptor and GBIF's tool read it: event level, animals, by eventID and name."""
    rows = [row for row in rows_of(make_station("field", STAY)) if row["observationLevel"] == "event"]
    animals = Counter((row["eventID"], row["scientificName"], row["lifeStage"]) for row in rows)
    assert set(animals.values()) == {1} and len({event for event, name, _ in animals if "uncia" in name}) == 1


def test_what_people_said_of_the_other_sequences_is_at_media_level(make_station):
    """Of their best picture, each once; nobody's word is lost."""
    rows = [row for row in rows_of(make_station("field", STAY)) if row["classificationMethod"] == "human"]
    of_media = [row for row in rows if row["observationLevel"] == "media"]
    assert len(rows) == 8 and len(of_media) == 4
    assert all(row["mediaID"] and row["eventStart"] == row["eventEnd"] for row in of_media)


def test_all_sequences_come_back_with_their_verdicts(make_station, make_empty):
    """Through one station and a second, and what goes out there counts the same."""
    field, office, third = make_station("field", STAY), make_empty("office"), make_empty("third")
    office.take(field.export())
    third.take(office.export())
    assert len(field.told()) == 7 and office.told() == field.told() == third.told()
    assert office.events() == field.events() == third.events()
    assert at_event_level(rows_of(office)) == at_event_level(rows_of(third)) == COUNTED


def test_a_sequence_without_a_picture_comes_back_too(make_station, make_empty):
    """Its word cannot stand at a picture: unclassified at event level, so that no tool counts it."""
    field, office = make_station("field", STAY), make_empty("office")
    for path in field.root.glob("frames/**/[13].*.jpg"):
        path.unlink()
    office.take(field.export())
    assert [row[7:10] for row in office.told()][:3] == [row[7:10] for row in field.told()][:3]
    assert [one for one in at_event_level(rows_of(field)) if one[0] != "unclassified"] == COUNTED


def test_who_answers_elsewhere_changes_who_speaks(make_station, make_empty):
    """At the office somebody counts one leopard where three were counted: another sequence speaks, still once."""
    field, office = make_station("field", STAY), make_empty("office")
    office.take(field.export())
    with office.database.reading() as connection:
        keys = connection.execute(select(sequences.c.trap, sequences.c.id).order_by(sequences.c.started_at)).all()
    give_answer(office.database, tuple(keys[1]), [Observation("fox")], "bek", NOW)
    rows = at_event_level(rows_of(office))
    assert [row for row in rows if "uncia" in row[1]] == [("animal", "Panthera uncia", "", "")]
    assert ("animal", "Vulpes vulpes", "", "") in rows


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_sequences_cut_no_event(make_station, monkeypatch, size):
    """Whatever part of an event is read at once."""
    station = make_station("field", STAY)
    monkeypatch.setattr("uncia_collector.catalogue.listing.PAGE", size)
    assert at_event_level(rows_of(station)) == COUNTED


def test_a_selection_has_a_speaker_of_its_own(make_station):
    """Of an event of which only the last sequences are asked for, these are counted."""
    since = NOW - timedelta(hours=5) + timedelta(seconds=20)
    rows = at_event_level(rows_of(make_station("field", STAY), Selection(since=since)))
    assert [row for row in rows if "uncia" in row[1]] == [("animal", "Panthera uncia", "", "")]


@pytest.mark.heavy
@needs_standard
def test_the_package_is_valid(make_station, tmp_path):
    """By the standard's own schemas, with rows of both levels and of a sequence without pictures."""
    field = make_station("field", STAY)
    for path in field.root.glob("frames/**/[13].*.jpg"):
        path.unlink()
    with zipfile.ZipFile(field.export()) as package:
        assert mistakes_in(package, tmp_path / "unpacked") == []
