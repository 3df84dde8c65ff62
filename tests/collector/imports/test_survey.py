"""Importing surveys: the standard's own example is imported completely, shown, and exported again without a change."""

import csv
import io
import json
import shutil
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.testclient import TestClient
from tests.collector.exports.test_camtrap_dp import STANDARD, needs_standard, strictly_local

from uncia_collector.catalogue.access.people_in_pictures import erase, human_names
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review, undo
from uncia_collector.catalogue.schema import frames, observations, sequences
from uncia_collector.catalogue.sightings import count_sightings
from uncia_collector.cli.main import main
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.observations.checklist import shipped_checklist
from uncia_collector.settings import CollectorSettings
from uncia_collector.station.alerts import Alerts, Channel
from uncia_collector.web.app import make_app
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
EXAMPLE = STANDARD / "example"
TABLES = ("deployments", "media", "observations")
SMALL = {
    "deployments": "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID,locationName\n"
    "d1,36.9123,73.0456,2026-01-01T00:00:00Z,2026-12-01T00:00:00Z,CAM 1,Above the spring\n",
    "media": "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype,exifData\n"
    'm1,d1,2026-05-01T04:00:00+05:00,media/a.jpg,false,image/jpeg,"{""GPS"": 36.9123}"\n'
    "m2,d1,2026-05-01T04:00:03+05:00,https://example.org/b.jpg,true,image/jpeg,\n"
    "m3,d1,2026-05-02T04:00:00Z,../outside.jpg,true,image/jpeg,\n"
    "m4,d1,2026-05-03T04:00:00Z,media/no.jpg,true,image/jpeg,\n"
    "m5,d1,2026-05-03T04:00:05Z,media/gone.jpg,true,image/jpeg,\n",
    "observations": "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,"
    "scientificName,classificationMethod,classifiedBy,classificationProbability\n"
    "o1,d1,,e:1,2026-04-30T23:00:00Z,2026-04-30T23:00:05Z,event,animal,Panthera uncia,machine,MD 5,0.93\n"
    "o2,d1,,e:1,2026-04-30T23:00:00Z,2026-04-30T23:00:05Z,event,animal,Panthera uncia,human,Anara,\n"
    "o3,d1,m3,,2026-05-02T04:00:00Z,2026-05-02T04:00:00Z,media,animal,Canis lupus,human,Anara,\n",
}


def take(path: Path, stored):
    """Import a package; return its counts."""
    with CamtrapPackage(path) as package:
        return SurveyImport(package, stored.database, FrameFolder(stored.root), NOW).run()


def exported(stored, exact: bool = False) -> zipfile.ZipFile:
    """Export the catalogue as a package; return the open zip."""
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        write_camtrap_dp(connection, stream, "Station", NOW, exact)
    return zipfile.ZipFile(stream)


def rows_of(package: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """The rows of a table of a zipped package."""
    return [*csv.DictReader(io.TextIOWrapper(package.open(f"{name}.csv"), "utf-8-sig"))]


def table_of(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of a table of a package's folder."""
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
        return [*csv.DictReader(file)]


def states_of(stored) -> Counter[tuple[str, str | None]]:
    """The number of sequences for each review and label."""
    query = select(sequences.c.review, sequences.c.review_label, func.count())
    with stored.database.reading() as connection:
        found = connection.execute(query.group_by(sequences.c.review, sequences.c.review_label))
        return Counter({(verdict, label): count for verdict, label, count in found})


@pytest.fixture
def small(tmp_path, make_jpeg):
    """Writes a small package: a JPEG, an address, a path out of the package, a file that is no JPEG, a missing file."""

    def write(**changed: str) -> Path:
        folder = tmp_path / "small"
        (folder / "media").mkdir(parents=True, exist_ok=True)
        (folder / "media" / "a.jpg").write_bytes(make_jpeg(1))
        (folder / "media" / "no.jpg").write_bytes(b"no picture")
        (tmp_path / "outside.jpg").write_bytes(make_jpeg(2))
        for name, text in (SMALL | changed).items():
            (folder / f"{name}.csv").write_text(text)
        described = {"profile": "https://x/camtrap-dp/1.0.1/camtrap-dp-profile.json", "name": "small", "title": "Small"}
        described["resources"] = [{"name": name, "path": f"{name}.csv"} for name in TABLES]
        (folder / "datapackage.json").write_text(json.dumps(described))
        return folder

    return write


@needs_standard
def test_the_standards_example_imports_whole(stored):
    """34 sequences with all 423 media and 549 observations; the absent files are counted by kind."""
    counted = take(EXAMPLE, stored)

    assert (counted.deployments, counted.sequences, counted.observations) == (4, 34, 549)
    assert (counted.media, counted.media_stored, counted.media_elsewhere, counted.media_missing) == (423, 0, 413, 10)
    with stored.database.reading() as connection:
        assert connection.execute(select(func.sum(sequences.c.frames))).scalar_one() == 423
        assert connection.execute(select(func.count()).select_from(frames)).scalar_one() == 423


@needs_standard
def test_people_and_machines_of_the_example_are_told_apart(stored):
    """People classified 32 events (three by media only); the two herons of a machine are open for review."""
    take(EXAMPLE, stored)

    with stored.database.reading() as connection:
        rows = connection.execute(select(sequences.c.label, sequences.c.review).where(sequences.c.bundle != "")).all()
    said = {label: count for (verdict, label), count in states_of(stored).items() if verdict == "relabelled"}
    assert [tuple(row) for row in rows] == [("Ardea", "open")] * 2
    assert (sum(said.values()), said["Anas platyrhynchos"], said["empty"], said["person"]) == (32, 10, 6, 1)


@needs_standard
def test_importing_twice_changes_nothing(stored):
    """The rows are the same, and none is written again."""
    take(EXAMPLE, stored)
    before = states_of(stored)
    again = take(EXAMPLE, stored)

    assert (again.unchanged, again.sequences, states_of(stored)) == (34, 34, before)


@needs_standard
def test_imported_rows_are_exported_unchanged(stored, tmp_path):
    """Every value of media and observations; frictionless finds no mistake in the package."""
    frictionless = pytest.importorskip("frictionless")
    take(EXAMPLE, stored)
    package = exported(stored, exact=True)

    for name, key in (("media", "mediaID"), ("observations", "observationID")):
        assert sorted(rows_of(package, name), key=lambda row: row[key]) == sorted(
            table_of(EXAMPLE, name), key=lambda row: row[key]
        )
    assert len(rows_of(package, "deployments")) == 4
    package.extractall(tmp_path / "again")
    described = json.loads((tmp_path / "again" / "datapackage.json").read_text())
    profile = strictly_local(json.loads((STANDARD / "camtrap-dp-profile.json").read_text()))
    jsonschema = pytest.importorskip("jsonschema")
    assert [error.message for error in jsonschema.Draft7Validator(profile).iter_errors(described)] == []
    for resource in described["resources"]:
        resource["schema"] = json.loads((STANDARD / f"{resource['name']}-table-schema.json").read_text())
    del described["profile"]
    report = frictionless.Package(described, basepath=str(tmp_path / "again")).validate()
    assert report.flatten(["resourceName", "rowNumber", "fieldName", "message"]) == []


@needs_standard
def test_an_export_of_the_example_imports_with_the_same_counts(stored, tmp_path):
    """A second catalogue imports the export: 4 deployments, 34 sequences, 423 media, 549 observations."""
    take(EXAMPLE, stored)
    (tmp_path / "out.zip").write_bytes(exported(stored).fp.getvalue())
    code = main(["import", str(tmp_path / "out.zip"), "--data", str(tmp_path / "second")])

    with CamtrapPackage(tmp_path / "out.zip") as package:
        events = [event for row, _ in package.deployments for event in package.events(row["id"])]
    assert (code, len(events), sum(len(event.media) for event in events)) == (0, 34, 423)
    assert sum(len(event.observations) for event in events) == 549


@needs_standard
def test_the_page_shows_an_imported_survey(stored):
    """Gallery, sequence and exports name the survey that it was imported from, and where its pictures are."""
    take(EXAMPLE, stored)
    People(stored.database).set_user("r", "snow and rocks", "reviewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "r", "password": "snow and rocks"})
    gallery = client.get("/?trap=320").text
    address = gallery.split('class="card" href="')[1].split('"')[0].replace("&amp;", "&")

    assert "pictures kept elsewhere" in gallery and ">imported<" in gallery and "Anas platyrhynchos" in gallery
    one = client.get(address).text
    assert (
        "Imported from the survey “Sample from: MICA" in one and "kept elsewhere: https://multimedia.agouti.eu" in one
    )
    with stored.database.reading() as connection:
        key = connection.execute(select(sequences.c.trap, sequences.c.id).where(sequences.c.label == "Ardea")).first()
    heron = client.get(f"/sequences/{key.trap}/{key.id}").text
    assert "Yes, Ardea" in heron and "Confidence of Western Europe species model Version 1 in" in heron
    for text in (one, heron):  # the page claims nothing that the survey does not say
        assert "threshold" not in text and "times from the survey" in text and "Bundle" not in text
    assert 'id="confirm"' not in one and "Another" in one
    exports = client.get("/export").text
    assert "0 of 423" in exports and '<a href="/?trap=320">320</a>' in exports


def test_pictures_inside_the_package_are_stored_and_no_others(stored, small):
    """A JPEG is stored; an address, a path out of the package, a missing file and one that is no JPEG are counted."""
    counted = take(small(), stored)

    found = (counted.media_stored, counted.media_elsewhere, counted.media_missing, counted.media_unusable)
    assert found == (1, 1, 2, 1) and len(stored.files()) == 1


def test_events_come_from_ids_times_and_the_burst_rule(stored, small):
    """An event comes from an eventID and its times, from an observation of one medium, or from the burst rule."""
    take(small(), stored)

    with stored.database.reading() as connection:
        rows = connection.execute(select(sequences).order_by(sequences.c.started_at)).all()
    assert [(row.trap[:6], row.event, row.frames, row.review) for row in rows] == [
        ("cam-1-", "e:1", 2, "confirmed"),
        ("cam-1-", "media m3", 1, "relabelled"),
        ("cam-1-", "media m4", 2, "open"),
    ]
    assert (rows[0].positive, rows[0].confidence, rows[0].bundle) == (True, 0.93, "MD 5")


def test_the_animal_of_a_survey_is_a_sighting_and_no_alert(stored, small):
    """A confirmed sequence counts in the plots; neither an alert nor the day's digest reports it."""
    take(small(), stored)
    told = []
    alerts = Alerts(CollectorSettings(data=str(stored.root)), stored.database)
    alerts.channels = [Channel("webhook", lambda subject, content: told.append(content))]

    with stored.database.reading() as connection:
        assert sum(count_sightings(connection, datetime(2026, 1, 1, tzinfo=UTC), UTC).by_hour) == 1
    assert alerts.send_due(NOW + timedelta(hours=3)) == 0 and told == []


def test_answers_given_here_are_kept_when_a_newer_package_is_imported(stored, small):
    """A changed package replaces its own rows; an answer given here counts before the survey's until it is undone."""
    take(small(), stored)
    with stored.database.reading() as connection:
        [(trap, known)] = connection.execute(select(sequences.c.trap, sequences.c.id).where(sequences.c.event == "e:1"))
    review(stored.database, (trap, known), "rejected", "Anara", NOW)
    take(small(observations=SMALL["observations"].replace("0.93", "0.88")), stored)

    with stored.database.reading() as connection:
        row = connection.execute(select(sequences).where(sequences.c.id == known)).one()
    assert (row.review, row.confidence) == ("rejected", 0.88)
    assert undo(stored.database, "Anara") == (trap, known) and undo(stored.database, "Anara") is None
    assert states_of(stored)["confirmed", None] == 1


def test_an_answer_given_here_is_exported_in_place_of_the_surveys(stored, small):
    """At event level stands the observation of the survey's person; after an answer here, that answer."""
    take(small(), stored)
    with stored.database.reading() as connection:
        [key] = connection.execute(select(sequences.c.trap, sequences.c.id).where(sequences.c.event == "e:1"))
    before = [row["observationID"] for row in rows_of(exported(stored), "observations") if row["eventID"] == "e:1"]
    review(stored.database, tuple(key), "rejected", "Bek", NOW)

    rows = [row for row in rows_of(exported(stored), "observations") if row["eventID"] == "e:1"]
    assert before == ["o2"] and [(row["classifiedBy"], row["observationType"]) for row in rows] == [("Bek", "unknown")]


def test_an_export_of_a_survey_hides_the_place_unless_asked(stored, small):
    """Coordinates are coarse, the place's name and the EXIF data left out; an exact export has them."""
    take(small(), stored)
    coarse, exact = (
        b"".join(package.read(name) for name in package.namelist())
        for package in (exported(stored), exported(stored, exact=True))
    )

    assert not any(word in coarse for word in (b"36.91", b"73.04", b"spring"))
    assert all(word in exact for word in (b"36.9123", b"73.0456", b"spring"))


def test_two_surveys_with_the_same_ids_stay_apart(stored, small, tmp_path):
    """An export puts each survey's name before its ids, so that no id is there twice."""
    take(small(), stored)
    other = tmp_path / "other"
    shutil.copytree(small(), other)
    for name in TABLES:
        (other / f"{name}.csv").write_text(
            (other / f"{name}.csv").read_text().replace(",d1,", ",d2,").replace("d1,", "d2,")
        )
    text = (other / "datapackage.json").read_text().replace('"small"', '"other"')
    (other / "datapackage.json").write_text(text)
    take(other, stored)

    ids = [row["observationID"] for row in rows_of(exported(stored), "observations")]
    assert len(ids) == len(set(ids)) == 4 and {"small:o2", "other:o2"} <= set(ids)


def test_our_own_export_is_not_imported_again(stored, sent, tmp_path):
    """Sequences that this catalogue exported itself are counted only; another catalogue imports them."""
    table = tmp_path / "deployments.csv"
    table.write_text(SMALL["deployments"].replace("CAM 1", "ridge"))
    read_deployments(table, stored.database)
    stored.commit(*sent.messages())
    review(stored.database, ("ridge", sent.id), "rejected", "Anara", NOW)
    (tmp_path / "own.zip").write_bytes(exported(stored).fp.getvalue())
    counted = take(tmp_path / "own.zip", stored)
    assert (counted.ours, counted.sequences) == (1, 0)

    main(["import", str(tmp_path / "own.zip"), "--data", str(tmp_path / "second")])
    assert main(["list", "--data", str(tmp_path / "second"), "--json"]) == 0


def test_every_export_holds_imported_pictures(stored, small):
    """A survey's stored picture is in each format with people's label; MegaDetector's validator accepts its format."""
    validator = pytest.importorskip("megadetector.postprocessing.validate_batch_results")
    take(small(), stored)
    written = {}
    with stored.database.reading() as connection:
        for kind in KINDS:
            stream = io.BytesIO()
            export(kind, Request(connection, "Station", stored.root, NOW), stream)
            written[kind] = stream.getvalue()

    [image], [annotation] = (json.loads(written["coco"])[name] for name in ("images", "annotations"))
    assert (image["location"], annotation["category_id"]) == ("d1", 1)
    assert json.loads(written["coco"])["categories"][1]["name"] == "snow_leopard"
    [row] = csv.DictReader(written["training"].decode().splitlines())
    assert row["label"] == "snow_leopard" and (stored.root / row["file"]).is_file()
    options = validator.ValidateBatchResultsOptions()
    options.check_image_existence, options.relative_path_base = True, str(stored.root)
    results = json.loads(written["megadetector"])
    assert validator.validate_batch_results(results, options)["validation_results"]["errors"] == []


def test_a_picture_that_people_called_blank_teaches_blank(stored, small):
    """A frame called blank is exported as blank, though its event has the animal; an answer here overrides that."""
    blank = "o4,d1,m1,e:1,2026-04-30T23:00:00Z,2026-04-30T23:00:00Z,media,blank,,human,Anara,\n"
    take(small(observations=SMALL["observations"] + blank), stored)

    def taught() -> list[str]:
        stream = io.BytesIO()
        with stored.database.reading() as connection:
            export("training", Request(connection, "Station", stored.root, NOW), stream)
        return [row["label"] for row in csv.DictReader(stream.getvalue().decode().splitlines())]

    assert taught() == ["blank"]
    with stored.database.reading() as connection:
        [key] = connection.execute(select(sequences.c.trap, sequences.c.id).where(sequences.c.event == "e:1"))
    review(stored.database, tuple(key), "confirmed", "Bek", NOW)
    assert taught() == ["snow_leopard"]


REFUSED = {
    "a time that is none": ({"media": SMALL["media"].replace("2026-05-01T04:00:03", "yesterday")}, "line 3.*yesterday"),
    "an id twice": ({"media": SMALL["media"].replace("m2", "m1")}, "line 3: id 'm1' is there twice"),
    "an unknown deployment": ({"media": SMALL["media"].replace("m2,d1", "m2,d9")}, "line 3: deploymentID 'd9' is not"),
    "an unknown media": ({"observations": SMALL["observations"].replace("m3", "m9")}, "line 4: mediaID 'm9' is not"),
    "a missing column": ({"media": SMALL["media"].replace("filePath", "file")}, "line 1: no column 'filePath'"),
    "an empty value": ({"observations": SMALL["observations"].replace("animal", "", 1)}, "2: observationType is empty"),
    "another word": ({"observations": SMALL["observations"].replace("animal", "cat", 1)}, "2: observationType 'cat'"),
    "a place off Earth": ({"deployments": SMALL["deployments"].replace("36.9123", "136")}, "line 2.*not on Earth"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_broken_package_is_refused_whole_and_by_its_line(on_sqlite, small, changed, message):
    """The error names the line; nothing of the package is imported."""
    with pytest.raises(DataError, match=message):
        take(small(**changed), on_sqlite)

    assert states_of(on_sqlite) == Counter()


CELLS = [
    "",
    "\0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "x" * 300,
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    '"',
]
CELLS += ["../../etc/passwd", "https://x", "é", "99999999999999999999", "label:x|label:", "animal", "machine", "event"]


@pytest.mark.heavy
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=st.sampled_from(TABLES), line=st.integers(0, 5), column=st.integers(0, 12), cell=st.sampled_from(CELLS))
def test_any_cell_is_imported_or_refused(stored, small, table, line, column, cell):
    """One cell of a valid package is replaced: the import works or gives one clear error; exports still work."""
    lines = [text.split(",") for text in SMALL[table].splitlines()]
    row = lines[line % len(lines)]
    row[column % len(row)] = cell
    try:
        counted = take(small(**{table: "\n".join(map(",".join, lines))}), stored)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert counted.sequences >= 1 and exported(stored).testzip() is None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.floats(0, 1, exclude_max=True), to=st.integers(0, 255), cut=st.sampled_from([0, 0, 1, 300]))
def test_damaged_zip_is_imported_or_refused(on_sqlite, small, at, to, cut, tmp_path):
    """One byte of a zip is changed, or its end is cut off; an error names the file."""
    folder, damaged = small(), tmp_path / "damaged.zip"
    content = bytearray(Path(shutil.make_archive(str(tmp_path / "sound"), "zip", folder)).read_bytes())
    content[int(at * len(content))] = to
    damaged.write_bytes(content[: len(content) - cut])
    try:
        take(damaged, on_sqlite)
    except DataError as error:
        assert str(damaged) in str(error)


def test_no_package_is_one_line_and_exit_2(tmp_path, capsys):
    """A folder without datapackage.json, and a package of another profile."""
    assert main(["import", str(tmp_path), "--data", str(tmp_path)]) == 2
    (tmp_path / "datapackage.json").write_text('{"profile": "tabular-data-package"}')
    assert main(["import", str(tmp_path), "--data", str(tmp_path)]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert "holds no datapackage.json" in first and "expected Camtrap DP 1.x" in second


HEADER, FIRST, SECOND, *OTHERS = SMALL["observations"].splitlines(keepends=True)
SPLIT = [FIRST.replace("23:00:05", "23:00:01"), SECOND.replace("e:1", "e:2").replace("T23:00:00", "T23:00:03")]


@pytest.mark.parametrize("rows", [SPLIT, SPLIT[::-1]], ids=["its own event first", "the new event first"])
def test_a_package_that_splits_an_event_loses_no_picture(stored, small, rows):
    """The two pictures of an event are two events in the newer package: each sequence has its own id."""
    take(small(), stored)
    for unchanged in (2, 4):
        counts = take(small(observations="".join([HEADER, *rows, *OTHERS])), stored)
        assert (counts.sequences, counts.unchanged) == (4, unchanged)
        with stored.database.reading() as connection:
            per_sequence = connection.execute(select(frames.c.sequence, frames.c.name).order_by(frames.c.name)).all()
        assert len({row.sequence for row in per_sequence}) == 4
        assert [row.name for row in per_sequence] == ["a.jpg", "b.jpg", "gone.jpg", "no.jpg", "outside.jpg"]


def test_an_event_that_gets_anothers_id_does_not_replace_it(stored, small):
    """The newer package has the id of an old event for a new picture, and a new id for the old event."""
    wolf = OTHERS[0].replace("m3,,", "m3,e:2,")
    take(small(observations="".join([HEADER, FIRST, SECOND, wolf])), stored)
    renamed = [row.replace("e:1", "e:2") for row in (FIRST, SECOND)]
    rows = [*renamed, wolf.replace("e:2", "e:3"), wolf.replace("o3,d1,m3,e:2", "o9,d1,m6,e:1").replace("-02T", "-04T")]
    media = SMALL["media"] + "m6,d1,2026-05-04T04:00:00Z,https://example.org/c.jpg,true,image/jpeg,\n"
    counts = take(small(observations="".join([HEADER, *rows]), media=media), stored)
    with stored.database.reading() as connection:
        rows = connection.execute(select(frames.c.sequence, frames.c.name)).all()
    by_name = {row.name: row.sequence for row in rows}
    assert len(by_name) == 6 and by_name["a.jpg"] == by_name["b.jpg"]
    assert len({*by_name.values()}) == counts.sequences == 4


def test_a_picture_whose_time_was_corrected_keeps_its_file(stored, small):
    """The newer package has the right month; the file of the older one has that in its path."""
    take(small(), stored)
    moved = {name: SMALL[name].replace("2026-05-01T", "2026-06-01T").replace("2026-04-30T", "2026-05-31T")
             for name in ("media", "observations")}  # fmt: skip
    assert take(small(**moved), stored).unchanged == 2
    with stored.database.reading() as connection:
        [path] = connection.execute(select(frames.c.path).where(frames.c.status == "stored")).scalars()
    assert [*stored.files()] == [Path(path).name] and (stored.root / path).is_file()


def test_deployment_of_another_camera_is_refused(on_sqlite, small, tmp_path):
    """The station's own deployments are never overwritten."""
    table = tmp_path / "deployments.csv"
    table.write_text(SMALL["deployments"].replace("CAM 1", "ridge"))
    read_deployments(table, on_sqlite.database)

    with pytest.raises(DataError, match=r"'d1' of 'Small': its camera is 'CAM 1', but .* has camera 'ridge'"):
        take(small(), on_sqlite)


@pytest.mark.parametrize(
    ("said", "count"),
    [("3", 3), ("007", 7), ("0", None), ("1000", None), ("0000000015000", None), ("000000001" + "0" * 5000, None)],
    ids=["some", "leading noughts", "none", "too many", "too many after noughts", "more digits than Python reads"],
)
def test_a_count_from_1_to_999_is_imported(on_sqlite, small, said, count):
    """Any other value is left out."""
    header, _, rows = SMALL["observations"].partition("\n")
    counted = "\n".join(row + f",{said}" for row in rows.splitlines())
    take(small(observations=f"{header},count\n{counted}\n"), on_sqlite)
    with on_sqlite.database.reading() as connection:
        assert set(connection.execute(select(observations.c.count)).scalars()) == {count}


def test_pictures_of_people_in_a_survey_are_deleted_too(stored, small):
    """The pictures are erased; the survey's rows stay and are exported again."""
    take(small(), stored)
    with stored.database.reading() as connection:
        key = connection.execute(select(frames.c.trap, frames.c.sequence).where(frames.c.status == "stored")).one()
    review(stored.database, (key.trap, key.sequence), "relabelled", "anara", NOW, "person")
    names = human_names(shipped_checklist())

    assert erase(stored.database, stored.root, names, NOW + timedelta(seconds=1)) == 1
    assert stored.files() == {}
    assert "m1" in {row["mediaID"] for row in rows_of(exported(stored), "media")}
