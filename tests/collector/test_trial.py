"""A test sighting at the base station is marked on pages and in every export, and does not count as a sighting."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from tests.collector.web.test_page import as_role, station

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.sightings import count_sightings
from uncia_collector.exports.kinds import Request, export
from uncia_collector.station.alerts import _unsent

__all__ = ["as_role", "station"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PLACE = (
    "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd1,36.9,73.0,2026-01-01T00:00:00Z,,ridge\n"
)


@pytest.fixture
def tried(stored, make_sequence, tmp_path):
    """A catalogue with one test sighting that the model scored as positive."""
    (tmp_path / "places.csv").write_text(PLACE)
    read_deployments(tmp_path / "places.csv", stored.database)
    stored.commit(*make_sequence(id="t1", test=True).messages())
    return stored


def exported(tried, kind: str) -> bytes:
    stream = io.BytesIO()
    with tried.database.reading() as connection:
        export(kind, Request(connection, "Station", tried.root, NOW), stream)
    return stream.getvalue()


def observations(tried) -> list[dict[str, str]]:
    package = zipfile.ZipFile(io.BytesIO(exported(tried, "camtrap-dp")))
    return [*csv.DictReader(io.TextIOWrapper(package.open("observations.csv"), "utf-8"))]


def test_a_test_is_no_sighting_until_a_person_confirms_it(tried):
    """It is not counted and no alert is sent, whatever its score; confirmed, it counts."""
    with tried.database.reading() as connection:
        assert count_sightings(connection, datetime(2026, 1, 1, tzinfo=UTC), UTC, until=NOW).by_trap == {}
        assert _unsent(connection, "mail", NOW) == []
    review(tried.database, ("ridge", "t1"), "confirmed", "anara", NOW)
    with tried.database.reading() as connection:
        assert count_sightings(connection, datetime(2026, 1, 1, tzinfo=UTC), UTC, until=NOW).by_trap == {"ridge": 1}


def test_camtrap_dp_marks_a_test_as_camera_setup(tried):
    """It is unclassified until a person names what it shows; then it has that name and the tag."""
    rows = observations(tried)
    assert {(row["observationType"], row["cameraSetupType"], row["observationLevel"]) for row in rows} == {
        ("unclassified", "setup", "media")
    }
    review(tried.database, ("ridge", "t1"), "relabelled", "anara", NOW, "person")
    [row] = [row for row in observations(tried) if row["observationLevel"] == "event"]
    assert row["observationType"] == "human" and {"label:person", "test"} < {*row["observationTags"].split("|")}


@pytest.mark.parametrize("kind", ["coco", "megadetector"])
def test_each_picture_of_a_test_is_marked(tried, kind):
    """In uncia's own field."""
    assert [image["test"] for image in json.loads(exported(tried, kind))["images"]] == [True, True]


def test_the_table_for_spreadsheets_marks_a_test(tried):
    """In the last column."""
    [row] = csv.DictReader(exported(tried, "observations").decode("utf-8-sig").splitlines())
    assert (row["test"], row["verdict"]) == ("true", "not reviewed")


def test_tables_mark_a_test(tried):
    """Scores have a column, training data the source, the listing a field."""
    assert [row["test"] for row in csv.DictReader(exported(tried, "scores").decode().splitlines())] == ["true"] * 2
    assert [row["test"] for row in listing(tried.database)] == [True]
    review(tried.database, ("ridge", "t1"), "rejected", "anara", NOW)
    assert {row["source"] for row in csv.DictReader(exported(tried, "training").decode().splitlines())} == {"test"}


def test_pages_mark_a_test(as_role, stored, make_sequence):
    """The card, the filter and the sequence's page."""
    stored.commit(*make_sequence(id="t1", test=True).messages())
    page = as_role("viewer")
    found = page.get("/?state=test").text
    assert '<span class="mark open">test</span>' in found and "/sequences/ridge/t1?state=test" in found
    assert found.count('class="card"') == 1
    assert "A test:" in page.get("/sequences/ridge/t1").text
