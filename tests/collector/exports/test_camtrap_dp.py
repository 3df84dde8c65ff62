"""Camtrap DP 1.0: what we write validates, what the standard shows as its example can be read."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import review
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.sequences import places
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
STANDARD = Path(__file__).parents[4] / "shared" / "camtrap-dp"
DEPLOYMENTS = (
    "deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,deploymentStart,deploymentEnd,cameraID\n"
    "d1,site1,Above the spring,36.9123,73.0456,30,2026-01-01T00:00:00+05:00,,ridge\n"
)
needs_standard = pytest.mark.skipif(
    not STANDARD.is_dir(), reason=f"NO CAMTRAP DP SCHEMAS at {STANDARD}: the export was not validated"
)


@pytest.fixture
def survey(stored, sent, make_sequence, make_jpeg, tmp_path):
    """A catalogue with a place, a confirmed sighting, a blank, a relabelled one, and one outside every deployment."""
    table = tmp_path / "deployments.csv"
    table.write_text(DEPLOYMENTS)
    read_deployments(table, stored.database)
    blank = make_sequence(id="2", score=0.1, positive=False, pictures=[make_jpeg(5)])
    other = make_sequence(id="3", pictures=[make_jpeg(6)])
    early = make_sequence(id="4", started_at=NOW - timedelta(days=900))
    for sequence in (sent, blank, other, early):
        stored.commit(*sequence.messages())
    review(stored.database, ("ridge", sent.id), "confirmed", "Anara", NOW)
    review(stored.database, ("ridge", "3"), "relabelled", "Anara", NOW, "wolf")
    return stored


def package_of(survey, exact: bool = False) -> zipfile.ZipFile:
    """The exported package."""
    stream = io.BytesIO()
    with survey.database.reading() as connection:
        counts = write_camtrap_dp(connection, stream, "Zorkul station", NOW, exact)
    assert counts == (3, 1)
    return zipfile.ZipFile(stream)


def rows_of(package: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """A table of the package."""
    return [*csv.DictReader(io.TextIOWrapper(package.open(f"{name}.csv"), "utf-8"))]


@pytest.mark.heavy
@needs_standard
def test_frictionless_finds_nothing_wrong(survey, tmp_path):
    """Every table against the standard's own schema, foreign keys included."""
    frictionless = pytest.importorskip("frictionless")
    package_of(survey).extractall(tmp_path / "package")
    described = json.loads((tmp_path / "package" / "datapackage.json").read_text())
    for resource in described["resources"]:
        resource["schema"] = json.loads((STANDARD / f"{resource['name']}-table-schema.json").read_text())
    del described["profile"]

    report = frictionless.Package(described, basepath=str(tmp_path / "package")).validate()

    assert report.flatten(["resourceName", "rowNumber", "fieldName", "message"]) == []


def strictly_local(schema):
    """The profile without what lies on the internet (frictionless' own and GeoJSON's schemas)."""
    if isinstance(schema, dict):
        return {key: strictly_local(part) for key, part in schema.items() if not str(part).startswith("http")}
    return [strictly_local(part) for part in schema] if isinstance(schema, list) else schema


@needs_standard
def test_package_follows_the_profile(survey):
    """datapackage.json against all that the standard's profile says: what is required, types, words."""
    jsonschema = pytest.importorskip("jsonschema")
    described = json.load(package_of(survey).open("datapackage.json"))
    profile = strictly_local(json.loads((STANDARD / "camtrap-dp-profile.json").read_text()))

    assert [error.message for error in jsonschema.Draft7Validator(profile).iter_errors(described)] == []
    assert [*jsonschema.Draft7Validator(profile).iter_errors(described | {"taxonomic": 1})]


@needs_standard
def test_the_standards_example_is_read(stored):
    """The deployments of the standard's example package come in, times with their offsets."""
    assert read_deployments(STANDARD / "example", stored.database) == 4
    with stored.database.reading() as connection:
        first = next(place for place in places(connection, exact=True) if place.id == "00a2c20d")
    assert (first.trap, first.latitude, f"{first.started_at:%H:%M}") == ("320", 51.496, "02:57")


def test_coordinates_are_coarse_and_say_so(survey):
    """0.1 degree, the uncertainty grown by the cell's half diagonal, no name of the place."""
    [row] = rows_of(package_of(survey), "deployments")

    told = (row["latitude"], row["longitude"], row["coordinateUncertainty"], row["locationName"])
    assert told == ("36.9", "73.0", str(7872 + 30), "")


def test_administrator_may_ask_for_exact_coordinates(survey):
    """As they were written down."""
    [row] = rows_of(package_of(survey, exact=True), "deployments")

    assert (row["latitude"], row["longitude"], row["coordinateUncertainty"]) == ("36.9123", "73.0456", "30")


def test_machine_and_people_are_told_apart(survey):
    """Each event has the machine's observation and, once reviewed, the person's."""
    rows = [row for row in rows_of(package_of(survey), "observations") if row["observationLevel"] == "event"]

    said = {(row["classificationMethod"], row["observationType"], row["scientificName"]) for row in rows}
    assert said == {
        ("machine", "animal", "Panthera uncia"),
        ("machine", "blank", ""),
        ("human", "animal", "Panthera uncia"),
        ("human", "animal", "Canis lupus"),
    }


def test_without_deployments_there_is_no_package(stored):
    """The standard wants to know where; the error says what to do."""
    with stored.database.reading() as connection, pytest.raises(DataError, match="uncia-collect deployments"):
        write_camtrap_dp(connection, io.BytesIO(), "x", NOW)


def test_broken_table_is_named_by_line(stored, tmp_path):
    """What is wrong with a deployments table, and where."""
    table = tmp_path / "deployments.csv"
    table.write_text(DEPLOYMENTS.replace("36.9123", "136"))

    with pytest.raises(DataError, match=r"line 2.*not on Earth"):
        read_deployments(table, stored.database)
