"""An animal that stays for several sequences is one row at event level in Camtrap DP, and is imported as several."""

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
from uncia_collector.exports import speaking_sequences
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.sequences import EVERYTHING, Selection
from uncia_collector.exports.speaking_sequences import with_speakers
from uncia_collector.observations.answer import Observation
from uncia_collector.observations.checklist import shipped_checklist

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
    """The rows of an export's observations."""
    stream = io.BytesIO()
    with station.database.reading() as connection:
        told = {"only": only} if only else {}
        write_camtrap_dp(connection, stream, "Base station", NOW, root=station.root, **told)
    with zipfile.ZipFile(stream) as package:
        return [*csv.DictReader(io.TextIOWrapper(package.open("observations.csv"), "utf-8"))]


def at_event_level(rows) -> list[tuple[str, str, str, str]]:
    """(type, name, life stage, count) of the event-level rows, as a tool reads them that filters on events."""
    columns = ("observationType", "scientificName", "lifeStage", "count")
    return sorted(tuple(row[name] for name in columns) for row in rows if row["observationLevel"] == "event")


COUNTED = [
    ("animal", "Capra sibirica", "", "7"),
    ("animal", "Panthera uncia", "adult", "1"),
    ("animal", "Panthera uncia", "juvenile", "2"),
    ("unknown", "", "", ""),
]


def test_counts_of_events_can_be_summed(make_station):
    """The standard requires event-level rows without overlap: three leopards and seven ibexes, each once."""
    assert at_event_level(rows_of(make_station("field", STAY))) == COUNTED


def test_a_tool_that_reads_events_finds_each_taxon_of_an_event_once(make_station):
    """camtrapDensity, camtraptor and GBIF's tool read event-level animals by eventID and name."""
    rows = [row for row in rows_of(make_station("field", STAY)) if row["observationLevel"] == "event"]
    animals = Counter((row["eventID"], row["scientificName"], row["lifeStage"]) for row in rows)
    assert set(animals.values()) == {1} and len({event for event, name, _ in animals if "uncia" in name}) == 1


def test_answers_to_the_other_sequences_are_at_media_level(make_station):
    """Each observation is one row of the sequence's best picture; none is lost."""
    rows = [row for row in rows_of(make_station("field", STAY)) if row["classificationMethod"] == "human"]
    of_media = [row for row in rows if row["observationLevel"] == "media"]
    assert len(rows) == 8 and len(of_media) == 4
    assert all(row["mediaID"] and row["eventStart"] == row["eventEnd"] for row in of_media)


def test_all_sequences_come_back_with_their_verdicts(make_station, make_empty):
    """A second and a third catalogue have the same sequences and events, and the same rows at event level."""
    field, office, third = make_station("field", STAY), make_empty("office"), make_empty("third")
    office.take(field.export())
    third.take(office.export())
    assert len(field.told()) == 7 and office.told() == field.told() == third.told()
    assert office.events() == field.events() == third.events()
    assert at_event_level(rows_of(office)) == at_event_level(rows_of(third)) == COUNTED


def test_a_sequence_without_a_picture_comes_back_too(make_station, make_empty):
    """Its answer has no picture, so it is unclassified at event level, where no tool counts it."""
    field, office = make_station("field", STAY), make_empty("office")
    for path in field.root.glob("frames/**/[13].*.jpg"):
        path.unlink()
    office.take(field.export())
    assert [row[7:10] for row in office.told()][:3] == [row[7:10] for row in field.told()][:3]
    assert [one for one in at_event_level(rows_of(field)) if one[0] != "unclassified"] == COUNTED


def test_an_answer_elsewhere_changes_the_representative(make_station, make_empty):
    """The office relabels the representative of the leopard's event: another sequence represents it, still one row."""
    field, office = make_station("field", STAY), make_empty("office")
    office.take(field.export())
    with office.database.reading() as connection:
        keys = connection.execute(select(sequences.c.trap, sequences.c.id).order_by(sequences.c.started_at)).all()
    give_answer(office.database, tuple(keys[1]), [Observation("fox")], "bek", NOW)
    rows = at_event_level(rows_of(office))
    assert [row for row in rows if "uncia" in row[1]] == [("animal", "Panthera uncia", "", "")]
    assert ("animal", "Vulpes vulpes", "", "") in rows


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_sequences_split_no_event(make_station, monkeypatch, size):
    """The rows are the same however many sequences are read at once."""
    station = make_station("field", STAY)
    monkeypatch.setattr("uncia_collector.catalogue.listing.PAGE", size)
    assert at_event_level(rows_of(station)) == COUNTED


@pytest.fixture
def crowded(stored, make_sequence):
    """Two traps with one event each; the fullest answers are to late sequences. Between, one trap sends more."""
    kinds = {"a": ("ridge", None), "b": ("valley", 1), "c": ("ridge", 2), "d": ("valley", None), "e": ("valley", 3),
             "f": ("valley", None), "g": ("valley", None), "h": ("ridge", 5), "i": ("ridge", 5)}  # fmt: skip
    for n, (known, (trap, count)) in enumerate(kinds.items()):
        at = NOW - timedelta(hours=5) + timedelta(minutes=n)
        stored.commit(*make_sequence(id=known, trap=trap, started_at=at).messages())
        give_answer(stored.database, (trap, known), [Observation("Snow leopard", count)], "anara", NOW)
    return stored


@pytest.fixture
def answers_read(monkeypatch) -> list[tuple[str, str]]:
    """The events (trap, first sequence) whose answers on other pages were read, in order."""
    found: list[tuple[str, str]] = []

    def noted(events):
        found.extend((event.trap, event.first) for event in events)
        return answered(events)

    answered = speaking_sequences._answered
    monkeypatch.setattr(speaking_sequences, "_answered", noted)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_a_representative_on_a_later_page_is_found_with_one_reading(crowded, answers_read, monkeypatch, size):
    """#1: on each page it is the same, also if a page between has no sequence of the event."""
    monkeypatch.setattr("uncia_collector.catalogue.listing.PAGE", size)
    with crowded.database.reading() as connection:
        items = [*with_speakers(connection, False, EVERYTHING, shipped_checklist())]
    assert [item.row.id for item in items] == [*"abcdefghi"]
    assert [item.row.id for item in items if item.speaks_for] == ["e", "h"]
    assert sorted(set(answers_read)) == sorted(answers_read)


def test_a_selection_has_its_own_representative(make_station):
    """If only the last sequences of an event are selected, one of them represents it."""
    since = NOW - timedelta(hours=5) + timedelta(seconds=20)
    rows = at_event_level(rows_of(make_station("field", STAY), Selection(since=since)))
    assert [row for row in rows if "uncia" in row[1]] == [("animal", "Panthera uncia", "", "")]


@pytest.mark.heavy
@needs_standard
def test_the_package_is_valid(make_station, tmp_path):
    """The standard's schemas accept rows of both levels and of a sequence without pictures."""
    field = make_station("field", STAY)
    for path in field.root.glob("frames/**/[13].*.jpg"):
        path.unlink()
    with zipfile.ZipFile(field.export()) as package:
        assert mistakes_in(package, tmp_path / "unpacked") == []
