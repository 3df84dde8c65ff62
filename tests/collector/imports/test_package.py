"""Reading a package: which media and observations are one event, and the counts of an import."""

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.camtrap import BY_MACHINE, DEPLOYMENT, medium, observation, text_of, write_package
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import review
from uncia_collector.cli.main import main
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.imports.package import CamtrapPackage
from uncia_contract.datasets.camtrap_labels import read_camtrap_dp
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def events(tmp_path):
    """Writes a package and reads it; returns (event, ids of its media, people's labels) of each event."""

    def read(media, observations, deployments=(DEPLOYMENT,)):
        package = write_package(tmp_path / "package", media, observations, deployments)
        with CamtrapPackage(package) as read:
            return [
                (event.event, [row["mediaID"] for row in event.media], [person.label for person in event.people()])
                for row, _ in read.deployments
                for event in read.events(row["id"])
            ]

    return read


def test_a_burst_that_was_classified_picture_by_picture_is_one_sequence(events):
    """Media observations without events: the burst rule makes the sequences, and no burst is split."""
    media = [medium("m1"), medium("m2", "08:00:03"), medium("m3", "09:00:00")]
    said = [observation(f"o{n}", mediaID=f"m{n}") for n in (1, 2, 3)]
    assert [(event, shown) for event, shown, _ in events(media, said)] == [
        ("media m1", ["m1", "m2"]),
        ("media m3", ["m3"]),
    ]


def test_observations_of_one_span_are_one_event(events):
    """Two species with the same times and no event ids: one sequence with both."""
    said = [observation("a"), observation("b", scientificName="Capra sibirica")]
    [(event, shown, people)] = events([medium("m1", "08:00:02")], said)
    assert (event, shown, len(people)) == ("media a", ["m1"], 2)


def test_a_time_lapse_picture_is_a_sequence_of_its_own(events):
    """Even if it was taken while an animal triggered the camera."""
    lapse = medium("m2", "08:00:03", captureMethod="timeLapse")
    found = events([medium("m1"), lapse], [observation("a", eventID="1")])
    assert [(event, shown) for event, shown, _ in found] == [("1", ["m1"]), ("media m2", ["m2"])]


def test_events_of_two_deployments_with_one_id_are_two(events):
    """Event ids are unique only within a deployment."""
    other = {"deploymentID": "d2"}
    media = [medium("m1"), medium("m2", **other)]
    said = [observation("a", eventID="1"), observation("b", eventID="1", **other)]
    found = events(media, said, [DEPLOYMENT, DEPLOYMENT | other])
    assert [(event, shown) for event, shown, _ in found] == [("1", ["m1"]), ("1", ["m2"])]


def test_an_observation_with_a_probability_and_no_method_is_a_machines(events):
    """No person classified it, so it is open for review."""
    [(_, _, people)] = events(
        [medium("m1")], [observation("a", classificationMethod="", classificationProbability="1")]
    )
    assert people == []


def labelled(package: Path) -> dict[str, str]:
    """The label that training gives each medium."""
    return {Path(one.file).stem: one.label for one in read_camtrap_dp(package, ["Panthera_uncia"])}


def test_import_and_training_agree_on_whose_label_counts(tmp_path):
    """Both use the person's label; they use the machine's only if no person classified the event."""
    later = {"eventID": "2", "eventStart": "2026-05-01T09:00:00Z", "eventEnd": "2026-05-01T09:00:09Z"}
    said = [
        observation("a", eventID="1", **BY_MACHINE),
        observation("b", eventID="1", mediaID="m1", **BY_MACHINE),
        observation("c", eventID="1", scientificName="Capra sibirica"),
        observation("d", **later, **BY_MACHINE),
    ]
    package = write_package(tmp_path / "p", [medium("m1"), medium("m2", "09:00:00")], said)
    with CamtrapPackage(package) as read:
        first, second = read.events("d1")
    assert ([one.label for one in first.people()], second.people(), second.label) == (["ibex"], [], "snow_leopard")
    assert labelled(package) == {"m1": "Capra sibirica", "m2": "Panthera_uncia"}


@pytest.fixture
def package(tmp_path, make_jpeg):
    """A package with a JPEG, a picture at an address, a missing file, a damaged file and a video."""
    media = [
        medium("m1", "2026-05-01T13:00:00"),
        medium("m2", "08:00:02", filePath="https://example.org/m2.jpg"),
        medium("m3", "08:00:03"),
        medium("m4", "08:00:04"),
        medium("m5", "10:00:00", filePath="media/m5.mp4", fileMediatype="video/mp4"),
    ]
    folder = write_package(tmp_path / "survey", media, [observation("a", eventID="1")])
    (folder / "media").mkdir()
    (folder / "media" / "m1.jpg").write_bytes(make_jpeg(1))
    (folder / "media" / "m4.jpg").write_bytes(b"no picture")
    (folder / "media" / "m5.mp4").write_bytes(b"a video")
    return folder


SUM = "5 media: 1 stored + 1 at an address + 1 not in the package + 2 no JPEG + 0 of our own"


def test_the_sum_of_an_import_adds_up(package, tmp_path, capsys):
    """Media found = stored + elsewhere + missing + unusable + ours; a line says how times without offset were read."""
    assert main(["import", str(package), "--data", str(tmp_path / "station")]) == 0
    told = capsys.readouterr()
    assert SUM in told.out
    assert told.err == f"{package}: times that name no offset: 1 taken with their deployment's\n"


def test_pictures_of_our_own_are_counted(on_sqlite, sent, tmp_path, capsys):
    """A station imports its own export: two pictures of our own, none missing."""
    table = tmp_path / "deployments.csv"
    table.write_text(text_of([DEPLOYMENT | {"cameraID": "ridge"}]))
    read_deployments(table, on_sqlite.database)
    on_sqlite.commit(*sent.messages())
    with on_sqlite.database.reading() as connection, (tmp_path / "own.zip").open("wb") as stream:
        write_camtrap_dp(connection, stream, "Station", NOW)
    assert main(["import", str(tmp_path / "own.zip"), "--data", str(on_sqlite.root)]) == 0
    assert (
        "2 media: 0 stored + 0 at an address + 0 not in the package + 0 no JPEG + 2 of our own"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("top", ["", "survey/"])
def test_zips_are_imported_alike(package, tmp_path, capsys, top):
    """The pictures are inside the zip, or beside a zip that holds only the tables."""
    whole, tables = tmp_path / "a" / "whole.zip", tmp_path / "b" / "tables.zip"
    shutil.copytree(package / "media", tmp_path / "b" / "media")
    (tmp_path / "a").mkdir()
    for path, pattern in ((whole, "**/*"), (tables, "*.*")):
        with zipfile.ZipFile(path, "w") as made:
            for file in package.glob(pattern):
                made.write(file, top + file.relative_to(package).as_posix())
        assert main(["import", str(path), "--data", str(tmp_path / f"{path.stem}-station")]) == 0
        assert SUM in capsys.readouterr().out


def test_the_zone_option_is_used_if_deployments_have_no_offset(package, capsys):
    """--utc-offset; without it, UTC."""
    (package / "deployments.csv").write_text(
        text_of([DEPLOYMENT | {"deploymentStart": "2026-01-01T00:00:00", "deploymentEnd": ""}])
    )
    for zone, hour in ((timezone(timedelta(hours=3)), 10), (None, 13)):
        with CamtrapPackage(package, zone) as read:
            found = {row["mediaID"]: event.started_at for event in read.events("d1") for row in event.media}
        assert found["m1"].hour == hour


def test_tables_of_another_dialect_are_imported(package, tmp_path, capsys):
    """Semicolons, other file names, a list of files, UTF-16."""
    lines = (package / "media.csv").read_text().replace(",", ";").splitlines(keepends=True)
    (package / "one.txt").write_text("".join(lines[:3]), encoding="utf-16")
    (package / "two.txt").write_text(lines[0] + "".join(lines[3:]), encoding="utf-16")
    described = json.loads((package / "datapackage.json").read_text())
    described["resources"][1] |= {
        "path": ["one.txt", "two.txt"], "dialect": {"delimiter": ";"}, "encoding": "utf-16"}  # fmt: skip
    (package / "datapackage.json").write_text(json.dumps(described))
    assert main(["import", str(package), "--data", str(tmp_path / "station")]) == 0
    assert SUM in capsys.readouterr().out


def test_training_reads_the_answers_that_a_station_exports(stored, sent, tmp_path):
    """A confirmed sequence has the animal by either of its names; a rejected one has `not_snow_leopard`."""
    table = tmp_path / "deployments.csv"
    table.write_text(text_of([DEPLOYMENT | {"cameraID": "ridge"}]))
    read_deployments(table, stored.database)
    stored.commit(*sent.messages())
    taught = {}
    for verdict in ("confirmed", "rejected"):
        review(stored.database, ("ridge", sent.id), verdict, "Anara", NOW)
        with stored.database.reading() as connection, (tmp_path / f"{verdict}.zip").open("wb") as stream:
            write_camtrap_dp(connection, stream, "Station", NOW)
        for label in ("snow_leopard", "Panthera_uncia"):
            taught[verdict, label] = {one.label for one in read_camtrap_dp(tmp_path / f"{verdict}.zip", [label])}
    assert taught == {
        ("confirmed", "snow_leopard"): {"snow_leopard"},
        ("confirmed", "Panthera_uncia"): {"Panthera_uncia"},
        ("rejected", "snow_leopard"): {"not_snow_leopard"},
        ("rejected", "Panthera_uncia"): {"not_snow_leopard"},
    }


def test_an_observation_of_another_deployments_medium_is_refused(tmp_path):
    """The error names both deployments; training refuses it, too."""
    other = {"deploymentID": "d2"}
    said = [observation("a", mediaID="m2")]
    package = write_package(tmp_path / "p", [medium("m2", **other)], said, [DEPLOYMENT, DEPLOYMENT | other])
    with pytest.raises(DataError, match="line 2: deploymentID 'd1', but its medium 'm2' is of 'd2'"):
        CamtrapPackage(package)


BROKEN = {
    "deeply nested": ('{"profile": ' + "[" * 9000 + "]" * 9000 + "}", "nested more than 64 levels"),
    "an older profile": ('{"profile": "https://x.org/camtrap-dp/0.6/profile.json"}', "expected Camtrap DP 1.x"),
    "MegaDetector's results": ('[{"file": "a.jpg", "detections": []}]', "MegaDetector's results"),
}


@pytest.mark.parametrize(("content", "told"), BROKEN.values(), ids=BROKEN)
def test_another_kind_of_file_is_one_line_and_exit_2(package, tmp_path, capsys, content, told):
    """The line says what was found, or what was expected; no traceback."""
    (package / "datapackage.json").write_text(content)
    assert main(["import", str(package), "--data", str(tmp_path / "station")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
