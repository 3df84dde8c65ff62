"""Camtrap DP 1.0: exported packages are valid, and the standard's example can be read."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import give_answer, review
from uncia_collector.catalogue.schema import frames
from uncia_collector.cli.main import main
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.sequences import places
from uncia_collector.observations.answer import Observation
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
    """A catalogue with a deployment; a confirmed, a rejected, a relabelled sequence; one without a deployment."""
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
    """Export the catalogue as a package; return the open zip."""
    stream = io.BytesIO()
    with survey.database.reading() as connection:
        counts = write_camtrap_dp(connection, stream, "Zorkul station", NOW, exact)
    assert (counts.kept, counts.lines()) == (3, ["sequences outside every deployment: 1 (ridge 1)"])
    return zipfile.ZipFile(stream)


def rows_of(package: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """The rows of a table of the package."""
    return [*csv.DictReader(io.TextIOWrapper(package.open(f"{name}.csv"), "utf-8"))]


def mistakes_in(package: zipfile.ZipFile, folder: Path) -> list:
    """The mistakes that frictionless finds by the standard's schemas; the package is unpacked into a folder."""
    frictionless = pytest.importorskip("frictionless")
    package.extractall(folder)
    described = json.loads((folder / "datapackage.json").read_text())
    for resource in described["resources"]:
        resource["schema"] = json.loads((STANDARD / f"{resource['name']}-table-schema.json").read_text())
    del described["profile"]
    report = frictionless.Package(described, basepath=str(folder)).validate()
    return report.flatten(["resourceName", "rowNumber", "fieldName", "message"])


@pytest.mark.heavy
@needs_standard
def test_frictionless_finds_nothing_wrong(survey, tmp_path):
    """Every table is valid by the standard's own schema, foreign keys included."""
    said = [Observation("Snow leopard", 2, "female", "adult", "probable", "by the | spring"), Observation("Yeti", 1)]
    give_answer(survey.database, ("ridge", "2"), said, "Bek", NOW)

    assert mistakes_in(package_of(survey), tmp_path / "package") == []


def strictly_local(schema):
    """The profile without its references to the internet (frictionless' own and GeoJSON's schemas)."""
    if isinstance(schema, dict):
        return {key: strictly_local(part) for key, part in schema.items() if not str(part).startswith("http")}
    return [strictly_local(part) for part in schema] if isinstance(schema, list) else schema


@needs_standard
def test_package_follows_the_profile(survey):
    """datapackage.json is valid by the standard's profile: required keys, types, enumerations."""
    jsonschema = pytest.importorskip("jsonschema")
    described = json.load(package_of(survey).open("datapackage.json"))
    profile = strictly_local(json.loads((STANDARD / "camtrap-dp-profile.json").read_text()))

    assert [error.message for error in jsonschema.Draft7Validator(profile).iter_errors(described)] == []
    assert [*jsonschema.Draft7Validator(profile).iter_errors(described | {"taxonomic": 1})]


@needs_standard
def test_the_standards_example_is_read(stored):
    """The deployments of the standard's example package are read, times with their offsets."""
    assert read_deployments(STANDARD / "example", stored.database) == 4
    with stored.database.reading() as connection:
        first = next(place for place in places(connection, exact=True) if place.id == "00a2c20d")
    assert (first.trap, first.latitude, f"{first.started_at:%H:%M}") == ("320", 51.496, "02:57")


def test_coordinates_are_coarse_and_the_package_states_it(survey):
    """Rounded to 0.1 degree, the uncertainty grown by half the cell's diagonal, no name of the place."""
    [row] = rows_of(package_of(survey), "deployments")

    told = (row["latitude"], row["longitude"], row["coordinateUncertainty"], row["locationName"])
    assert told == ("36.9", "73.0", str(7872 + 30), "")


def test_administrator_may_ask_for_exact_coordinates(survey):
    """An exact export has the coordinates and the name of the place unchanged."""
    [row] = rows_of(package_of(survey, exact=True), "deployments")

    assert (row["latitude"], row["longitude"], row["coordinateUncertainty"]) == ("36.9123", "73.0456", "30")


def test_peoples_rows_are_at_event_level_and_the_machines_at_media_level(survey):
    """The machine's rows have probability, box and scientific name."""
    rows = rows_of(package_of(survey), "observations")

    events = [row for row in rows if row["observationLevel"] == "event"]
    said = [(row["classificationMethod"], row["classifiedBy"], row["scientificName"]) for row in events]
    assert said == [("human", "Anara", "Panthera uncia"), ("human", "Anara", "Canis lupus")]
    media = {row["mediaID"]: row for row in rows if row["observationLevel"] == "media"}
    leopard, other = media["ridge:000001:0"], media["ridge:2:0"]
    assert (leopard["observationType"], leopard["classificationProbability"], leopard["bboxX"]) == (
        "animal",
        "0.9",
        "0.1",
    )
    assert (other["observationType"], other["classificationProbability"], other["scientificName"]) == (
        "unknown",
        "0.9",
        "",
    )
    assert {row["classifiedBy"] for row in media.values()} == {"starter 1"}


SIX = {
    "confirmed": ("confirmed", None), "rejected": ("rejected", None), "named": ("relabelled", "Snow leopard"),
    "renamed": ("relabelled", "Red fox"), "herder": ("relabelled", "Herder"), "open": None,
}  # fmt: skip


@pytest.fixture
def six(stored, make_sequence, make_jpeg, tmp_path):
    """The six positives of a real station, and an audit that nobody has answered."""
    (tmp_path / "deployments.csv").write_text(DEPLOYMENTS)
    read_deployments(tmp_path / "deployments.csv", stored.database)
    for n, (name, told) in enumerate(SIX.items()):
        at = NOW - timedelta(hours=n)
        stored.commit(*make_sequence(id=name, started_at=at, pictures=[make_jpeg(n)]).messages())
        if told is not None:
            review(stored.database, ("ridge", name), told[0], "Anara", NOW, told[1])
    audit = make_sequence(id="audit", score=0.1, positive=False, audit=True, pictures=[make_jpeg(9)])
    stored.commit(*audit.messages())
    return stored


def exported(stored, **changed) -> zipfile.ZipFile:
    """Export the catalogue as a package; return the open zip."""
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        write_camtrap_dp(connection, stream, "Station", NOW, **changed)
    return zipfile.ZipFile(stream)


def events_of(package: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    """(type, scientific name) of each event-level row, by the sequence that its tag names."""
    rows = [row for row in rows_of(package, "observations") if row["observationLevel"] == "event"]
    found = {row["observationTags"].split("/")[1].split("|")[0]: row for row in rows}
    assert len(found) == len(rows)
    return {name: (row["observationType"], row["scientificName"]) for name, row in found.items()}


def test_a_filter_on_event_level_animals_gives_what_people_believe_once(six):
    """One row for each answer that counts: two leopards, a fox, a person; a sequence without an answer has none."""
    assert events_of(exported(six)) == {
        "confirmed": ("animal", "Panthera uncia"), "named": ("animal", "Panthera uncia"),
        "renamed": ("animal", "Vulpes vulpes"), "herder": ("human", ""), "rejected": ("unknown", ""),
    }  # fmt: skip


def test_an_audit_that_nobody_has_answered_is_not_blank(six):
    """The model did not look for other animals; only people can say that nothing was there."""
    rows = rows_of(exported(six), "observations")
    assert [row["observationType"] for row in rows if row["mediaID"] == "ridge:audit:0"] == ["unknown"]
    assert "blank" not in {row["observationType"] for row in rows}

    review(six.database, ("ridge", "audit"), "relabelled", "Anara", NOW, "nothing")
    assert events_of(exported(six))["audit"] == ("blank", "")


WORDS = {
    "Horse": ("animal", "Equus caballus"), "Canis lupus": ("animal", "Canis lupus"), "car": ("vehicle", ""),
    "Чабан": ("human", ""), "Yeti": ("unknown", ""), "Martes bigfootensis": ("unknown", ""),
    "livestock": ("animal", ""),
}  # fmt: skip


@pytest.mark.parametrize(("word", "expected"), WORDS.items(), ids=str)
def test_only_the_checklist_gives_a_scientific_name(six, word, expected):
    """A word that the checklist lacks is a comment, even if it looks like a scientific name."""
    review(six.database, ("ridge", "open"), "relabelled", "Anara", NOW, word)
    package = exported(six)
    assert events_of(package)["open"] == expected
    comments = {
        row["observationComments"] for row in rows_of(package, "observations") if "open" in row["observationID"]
    }
    assert (word in comments) == (expected[0] == "unknown")
    named = {taxon["scientificName"] for taxon in json.load(package.open("datapackage.json"))["taxonomic"]}
    assert named == {"Panthera uncia", "Vulpes vulpes", expected[1]} - {""}


def test_without_the_data_folder_no_picture_is_reported_as_missing(six, tmp_path, capsys):
    """If only the database is named, the command cannot check the files."""
    url = six.database.engine.url.render_as_string(hide_password=False)
    (tmp_path / "elsewhere").mkdir()
    assert main(["export", "camtrap-dp", "--out", str(tmp_path / "elsewhere" / "x.zip"), "--database", url]) == 0
    said = capsys.readouterr().out
    assert "sequences: 7;" in said and "missing" not in said


def test_a_label_of_a_trap_adds_no_tags(six, make_sequence, make_jpeg):
    """A label of a trap is input from outside: a `|` in it does not start a tag."""
    sent = make_sequence(id="odd", label="x|verdict:negative|sequence:0/1", pictures=[make_jpeg(8)])
    six.commit(*sent.messages())
    [row] = [row for row in rows_of(exported(six), "observations") if row["mediaID"] == "ridge:odd:0"]
    assert [tag.partition(":")[0] for tag in row["observationTags"].split("|")] == [
        "label",
        "sequence",
        "score",
        "verdict",
    ]


def test_every_part_of_an_answer_is_in_its_column(six):
    """Two observations in one answer: count, sex, life stage, certainty, note, person and time."""
    said = [Observation("Snow leopard", 1, "female", "adult", "probable", "at the spring"), Observation("ibex", 5)]
    give_answer(six.database, ("ridge", "open"), said, "Bek", NOW)
    rows = [row for row in rows_of(exported(six), "observations") if row["classifiedBy"] == "Bek"]
    names = ("scientificName", "count", "sex", "lifeStage", "classificationProbability", "observationComments")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("Panthera uncia", "1", "female", "adult", "0.8", "at the spring"), ("Capra sibirica", "5", "", "", "", ""),
    ]  # fmt: skip
    assert {(row["classificationMethod"], row["classificationTimestamp"]) for row in rows} == {
        ("human", "2026-11-23T06:00:00Z")
    }


def test_what_is_left_out_is_reported_before_and_after(six, make_sequence, make_jpeg, tmp_path, capsys):
    """Counts, traps and reasons: printed before and after writing, and in the package's description."""
    six.commit(*make_sequence(id="far", trap="unplaced", pictures=[make_jpeg(20)]).messages())
    six.commit(make_sequence(id="silent").record_message())
    with six.database.reading() as connection:
        [path] = connection.execute(select(frames.c.path).where(frames.c.sequence == "confirmed")).scalars()
    (six.root / path).unlink()
    url = six.database.engine.url.render_as_string(hide_password=False)
    command = ["export", "camtrap-dp", "--out", str(tmp_path / "out.zip"), "--data", str(six.root), "--database", url]
    assert main([*command, "--pictures", "--people"]) == 0
    said = capsys.readouterr()
    lines = [
        "pictures that have not arrived, or are no JPEG: 2 (ridge 2)",
        "pictures whose file is missing on the disk: 1 (ridge 1)",
        "sequences outside every deployment: 1 (unplaced 1)",
        "sequences without a picture here and without an answer: 1 (ridge 1)",
    ]
    assert f"will hold sequences: 7; left out: {'; '.join(lines)}" in said.err
    assert f"bytes: sequences: 7; left out: {'; '.join(lines)}" in said.out
    with zipfile.ZipFile(tmp_path / "out.zip") as package:
        described = json.load(package.open("datapackage.json"))["description"]
        assert "; ".join(lines) in described
        assert len(rows_of(package, "media")) == 6 and events_of(package)["confirmed"] == ("animal", "Panthera uncia")


def test_without_deployments_there_is_no_package(stored):
    """The standard requires places; the error names the command that adds them."""
    with stored.database.reading() as connection, pytest.raises(DataError, match="uncia-collect deployments"):
        write_camtrap_dp(connection, io.BytesIO(), "x", NOW)


def test_broken_table_is_named_by_line(stored, tmp_path):
    """The error says what is wrong with a deployments table, and in which line."""
    table = tmp_path / "deployments.csv"
    table.write_text(DEPLOYMENTS.replace("36.9123", "136"))

    with pytest.raises(DataError, match=r"line 2.*not on Earth"):
        read_deployments(table, stored.database)
