"""A sequence whose answer names several species is found and counted under each of them, and stays one sequence."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select, text
from starlette.testclient import TestClient

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.filters import STATES, Filters
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.recall import miss_rates
from uncia_collector.catalogue.review import MOST_INDEXED_BYTES, fitting, give_answer, undo
from uncia_collector.catalogue.schema import events, sequences
from uncia_collector.catalogue.sightings import count_sightings
from uncia_collector.effort.rates import effort
from uncia_collector.exports.kinds import Request, export
from uncia_collector.observations.answer import Observation
from uncia_collector.settings import AlertRule, CollectorSettings
from uncia_collector.station.alert_rules import told_now
from uncia_collector.web.app import make_app

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
ANSWERS = {
    "both": (0, ["Snow leopard", "ibex"]),
    "ibex": (10, ["ibex"]),
    "leopard": (20, ["Snow leopard"]),
    "missed": (200, ["fox", "ibex", "lynx"]),
}


@pytest.fixture
def station(stored, make_sequence):
    """Three sequences of one visit, and an audit whose answer names the bundle's label last."""
    for known, (minutes, _) in ANSWERS.items():
        more = {"positive": False, "audit": True} if known == "missed" else {}
        at, likely = NOW + timedelta(minutes=minutes), {"snow_leopard": 0.6, "lynx": 0.3}
        sent = make_sequence(id=known, started_at=at, probabilities=likely, **more)
        stored.commit(*sent.messages(), now=at)
    for known, (_, names) in ANSWERS.items():
        give_answer(stored.database, ("ridge", known), [Observation(name) for name in names], "anara", NOW)
    return stored


def found(station, **filters) -> list[str]:
    with station.database.reading() as connection:
        page = gallery.page(connection, Filters(**filters), UTC)
    return [row.id for row in page.rows]


@pytest.mark.parametrize(
    ("label", "expected"),
    [("snow_leopard", ["leopard", "both"]), ("ibex", ["missed", "ibex", "both"]), ("lynx", ["missed"]),
     ("fox", ["missed"]), ("wolf", []), ("be", [])],
)  # fmt: skip
def test_the_gallery_finds_it_under_each_species_once(station, label, expected):
    """Newest first, from all traps."""
    assert found(station, label=label) == expected == found(station, label=label, trap="ridge")


def test_every_other_filter_works_with_each_species(station):
    """With any other filters, a species finds those of their sequences whose answer names it."""
    names = {known: [name.lower().replace(" ", "_") for name in each] for known, (_, each) in ANSWERS.items()}
    for state, trap, least, reviewer in product(STATES, ("", "ridge", "valley"), (None, 0.7), ("", "anara")):
        asked = {"state": state, "trap": trap, "min_score": least, "reviewer": reviewer}
        every = found(station, **asked)
        for label in ("ibex", "lynx"):
            there = [known for known in every if label in names[known]]
            assert found(station, **asked, label=label) == there, (asked, label)


def test_more_ways_to_come_together_than_walks_are_found_too(station, monkeypatch):
    """The lists of further labels beyond the bound are looked for in one walk."""
    monkeypatch.setattr("uncia_collector.catalogue.filters.MOST_WALKS", 0)
    assert found(station, label="ibex") == ["missed", "ibex", "both"]


def test_longest_answers_fit_into_the_index(stored, make_sequence):
    """Ten names of 70 letters, whatever the alphabet, are kept on both databases."""
    stored.commit(*make_sequence(id="long").messages())
    names = [letter * 70 for letter in "𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱"]
    give_answer(stored.database, ("ridge", "long"), [Observation(name) for name in names], "anara", NOW)
    kept = [name for name in names if found(stored, label=name) == ["long"]]
    assert len(kept) >= 8 and found(stored, label="ж" * 70) == []


def test_names_of_a_survey_that_grow_in_json_fit_into_the_index():
    """A survey's name may hold any character; JSON writes a control character with six."""
    names = [f"{n}" + "\x01" * 79 for n in range(10)]
    assert len(json.dumps(fitting(names))) <= MOST_INDEXED_BYTES


def test_the_filter_offers_each_species(station):
    """Also a species that is in no sequence's first place."""
    with station.database.reading() as connection:
        assert set(gallery.labels(connection)) == {"snow_leopard", "ibex", "lynx", "fox"}


def test_a_card_names_each_species(station):
    """Whatever species the filter names."""
    People(station.database).set_user("bek", "snow and rocks", "reviewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(station.root)), station.database))
    client.post("/login", data={"name": "bek", "password": "snow and rocks"})
    assert "<span>Snow leopard, Siberian ibex</span>" in client.get("/?label=ibex").text


def test_activity_and_effort_count_each_species(station):
    """Leopard and lynx are sightings by default; ibex is counted when its label is given."""
    day = date(2026, 11, 22)
    with station.database.reading() as connection:
        for label, count in {"": 2, "snow_leopard": 1, "ibex": 2, "lynx": 1, "fox": 1}.items():
            seen = effort(connection, day, day, NOW, UTC, label).seen
            by_hour = count_sightings(connection, NOW - timedelta(days=1), UTC, label=label).by_hour
            assert (sum(by_hour), sum(seen["ridge"].values())) == (count, count), label
        assert len(connection.execute(select(sequences.c.id)).all()) == 4


def test_recall_counts_what_the_bundle_looks_for(station):
    """The audit shows a lynx, although another species is named before it."""
    with station.database.reading() as connection:
        assert [(rate.reviewed, rate.missed) for rate in miss_rates(connection)][-1] == (1, 1)


def test_a_line_of_the_observations_has_the_event_of_its_species(station):
    """Two events of ibex and one of leopard, in whichever sequences."""
    stream = io.BytesIO()
    with station.database.reading() as connection:
        export("observations", Request(connection, "Station", station.root, NOW), stream)
    by_name: dict[str, set[str]] = {}
    for row in csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig"))):
        by_name.setdefault(row["name_en"].lower(), set()).add(row["event"])
    expected = {"snow leopard": 1, "siberian ibex": 2, "red fox": 1, "eurasian lynx": 1}
    assert {name: len(ids) for name, ids in by_name.items()} == expected


def test_an_alert_rule_matches_each_species(station):
    """A rule for lynx sends a sequence whose first label is fox."""
    with station.database.reading() as connection:
        row = connection.execute(select(sequences).where(sequences.c.id == "both")).one()
    rules = {label: [AlertRule(labels=[label])] for label in ("ibex", "snow_leopard", "lynx")}
    told = {label: told_now(rule, "mail", row, NOW, UTC) for label, rule in rules.items()}
    assert told == {"ibex": True, "snow_leopard": True, "lynx": False}


def test_answers_that_are_taken_back_are_not_counted(station):
    """Answers are undone from the last to the first."""
    for _ in range(4):
        undo(station.database, "anara")
    assert found(station, label="ibex") == [] and found(station, label="lynx") == []
    with station.database.reading() as connection:
        assert "ibex" not in {row.label for row in connection.execute(select(events.c.label))}


def test_older_answers_with_several_species_are_counted_after_the_migration(station):
    """In a catalogue from before the column `also_called`."""
    with station.database.writing() as connection:
        connection.execute(text("DROP INDEX sequences_of_several"))
        connection.execute(text("ALTER TABLE sequences DROP COLUMN also_called"))
        head = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '0020'"))
    # What the catalogue of then had: no event of a second species.
    with station.database._transaction() as connection:
        connection.execute(text("DELETE FROM events WHERE label IN ('ibex', 'fox')"))
    station.database.migrate("0021")
    with station.database._transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    station.database.migrate()
    test_activity_and_effort_count_each_species(station)
    assert found(station, label="ibex") == ["missed", "ibex", "both"]


@pytest.mark.parametrize("kind", ["observations", "camtrap-dp"])
def test_a_species_that_the_bundle_names_otherwise_has_its_own_event(stored, make_sequence, tmp_path, kind):
    """The checklist's fox is the bundle's red_fox: its rows have the fox's event, not the leopard's."""
    (tmp_path / "places.csv").write_text(
        "deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9,73.0,2026-01-01,ridge\n"
    )
    read_deployments(tmp_path / "places.csv", stored.database)
    for minutes, names in enumerate((["Snow leopard"], ["Snow leopard", "Fox"], ["Fox"])):
        at, likely = NOW + timedelta(minutes=minutes), {"snow_leopard": 0.6, "red_fox": 0.3}
        stored.commit(*make_sequence(id=f"s{minutes}", started_at=at, probabilities=likely).messages(), now=at)
        give_answer(stored.database, ("ridge", f"s{minutes}"), [Observation(name) for name in names], "anara", NOW)
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        export(kind, Request(connection, "Station", stored.root, NOW), stream)
    table = zipfile.ZipFile(stream).read("observations.csv") if kind == "camtrap-dp" else stream.getvalue()
    rows = csv.DictReader(io.StringIO(table.decode("utf-8-sig")))
    name, event = ("scientificName", "eventID") if kind == "camtrap-dp" else ("scientific_name", "event")
    told = {(row[name], row[event]) for row in rows if row.get("observationLevel", "event") == "event"}
    assert told == {("Panthera uncia", "ridge:s0"), ("Vulpes vulpes", "ridge:s1")}
