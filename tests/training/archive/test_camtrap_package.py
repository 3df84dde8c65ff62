"""`uncia-train score --camtrap-dp` writes a valid package of machine observations that can be read back."""

import csv
import json
import sys
from pathlib import Path

import pytest

from uncia_collector.imports.package import CamtrapPackage as Imported
from uncia_contract.datasets.reader import read_data
from uncia_training.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import STARTER, archive

STANDARD = Path(__file__).parents[4] / "shared" / "camtrap-dp"
needs_standard = pytest.mark.skipif(
    not STANDARD.is_dir(), reason=f"NO CAMTRAP DP SCHEMAS at {STANDARD}: the package was not validated"
)
HEAD = "deploymentID,locationID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
ROWS = "d1,site 1,36.9123,73.0456,2020-01-01T00:00:00,,pass\nd2,,36.8,73.1,2020-01-01,2030-01-01,ridge\n"


def arguments(tmp_path: Path, rows: str = HEAD + ROWS, *more: str) -> list[str]:
    """The command's arguments, for an archive of two traps."""
    folder, table = tmp_path / "a", tmp_path / "deployments.csv"
    if not folder.exists():
        archive(folder, 1)
    table.write_text(rows)
    out, package = str(tmp_path / "out"), str(tmp_path / "package")
    return ["score", str(folder), "--bundle", str(STARTER), "--out", out, "--write", "csv", "--camtrap-dp", package,
            "--deployments", str(table), *more]  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of an archive whose cameras were five hours ahead of UTC."""
    folder = tmp_path_factory.mktemp("scored")
    assert main(arguments(folder, HEAD + ROWS, "--utc-offset", "5")) == 0
    return folder / "package"


def rows_of(package: Path, name: str) -> list[dict[str, str]]:
    """The rows of one table of the package."""
    with (package / f"{name}.csv").open(newline="", encoding="utf-8") as text:
        return [*csv.DictReader(text)]


@pytest.mark.heavy
@needs_standard
def test_frictionless_finds_nothing_wrong(package: Path) -> None:
    """It checks every table with the standard's own schema, foreign keys included."""
    frictionless = pytest.importorskip("frictionless")
    described = json.loads((package / "datapackage.json").read_text())
    for resource in described["resources"]:
        resource["schema"] = json.loads((STANDARD / f"{resource['name']}-table-schema.json").read_text())
    del described["profile"]
    report = frictionless.Package(described, basepath=str(package)).validate()
    assert report.flatten(["resourceName", "rowNumber", "fieldName", "message"]) == []


def strictly_local(schema: object) -> object:
    """The profile without references to the internet (frictionless' own and GeoJSON's schemas)."""
    if isinstance(schema, dict):
        return {key: strictly_local(part) for key, part in schema.items() if not str(part).startswith("http")}
    return [strictly_local(part) for part in schema] if isinstance(schema, list) else schema


@needs_standard
def test_package_follows_the_profile(package: Path) -> None:
    """datapackage.json is checked with the standard's whole profile."""
    jsonschema = pytest.importorskip("jsonschema")
    described = json.loads((package / "datapackage.json").read_text())
    profile = strictly_local(json.loads((STANDARD / "camtrap-dp-profile.json").read_text()))
    assert [error.message for error in jsonschema.Draft7Validator(profile).iter_errors(described)] == []
    assert "/1.0.2/" in described["profile"]


def test_every_observation_is_a_machines_and_of_one_picture(package: Path) -> None:
    """With its probability; no row is of an event, because people's tools take that as final (#2)."""
    rows = rows_of(package, "observations")
    told = {(row["observationLevel"], row["classificationMethod"], bool(row["mediaID"])) for row in rows}
    scored = [row for row in rows if row["observationType"] != "unclassified"]
    assert told == {("media", "machine", True)} and scored
    assert all(0.5 < float(row["classificationProbability"]) <= 1 for row in scored)


def test_an_unreadable_picture_has_a_reason_and_no_observation(package: Path) -> None:
    """It was taken, so it counts as effort, but was not scored (#3)."""
    reasons = {row["mediaID"]: row["mediaComments"] for row in rows_of(package, "media") if row["mediaComments"]}
    assert list(reasons) == ["pass/DCIM/100MEDIA/IMG_9999.JPG"] and "truncated" in str(reasons)
    assert not set(reasons) & {row["mediaID"] for row in rows_of(package, "observations")}


def test_a_name_that_the_standard_forbids_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2; the scores are kept."""
    given = arguments(tmp_path, HEAD + ROWS, "--utc-offset", "5")
    first = tmp_path / "a/ridge/DCIM/100MEDIA/IMG_0000.JPG"
    first.rename(first.with_name("IMG..0.JPG"))
    assert (main(given), (tmp_path / "out/scores.csv").exists()) == (2, True)
    assert "ridge/DCIM/100MEDIA/IMG..0.JPG: Camtrap DP takes no path with '..'" in capsys.readouterr().err


def test_times_have_the_offset_of_the_cameras(package: Path) -> None:
    """Times of pictures, and of deployments without an offset (#5)."""
    times = [row["timestamp"] for row in rows_of(package, "media")]
    assert times and all(time.endswith("+05:00") for time in times)
    assert {row["deploymentStart"] for row in rows_of(package, "deployments")} == {"2020-01-01T00:00:00+05:00"}


def test_our_own_readers_read_the_package(package: Path) -> None:
    """As labelled pictures, and as a survey of the collector; every picture that it names exists."""
    read = read_data(package)
    assert len(read) == len(rows_of(package, "observations")) - sum(
        row["observationType"] == "unclassified" for row in rows_of(package, "observations")
    )
    assert all(picture.path.is_file() for picture in read) and {one.location for one in read} == {"site 1", "d2"}
    with Imported(package) as survey:
        assert {row["trap"] for row, _ in survey.deployments} == {"pass", "ridge"}
        assert sum(len(event.media) for one in ("d1", "d2") for event in survey.events(one)) == 7


def test_pictures_left_out_of_the_package_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture outside both deployments is counted in the output and in the description (#4)."""
    early = "d0,,36.8,73.1,2001-01-01,2001-02-01,ridge\nd2,,36.8,73.1,2002-01-01,2002-02-01,ridge\n"
    assert main(arguments(tmp_path, HEAD + ROWS.splitlines()[0] + "\n" + early, "--utc-offset", "5")) == 0
    assert "3 pictures outside every deployment: not in the Camtrap DP package" in capsys.readouterr().out
    assert {row["deploymentID"] for row in rows_of(tmp_path / "package", "media")} == {"d1"}


def test_a_picture_belongs_to_the_deployment_of_its_time(tmp_path: Path) -> None:
    """Of several of one camera (#1); a folder's only deployment takes any time, and this is marked."""
    moved = "d2,,36.8,73.1,2002-01-01,2026-02-01,ridge\nd3,,36.7,73.1,2026-02-01,,ridge\n"
    moved += "d1,,36.9,73.0,2001-01-01,2001-02-01,pass\n"
    assert main(arguments(tmp_path, HEAD + moved, "--utc-offset", "5")) == 0
    assert {row["deploymentID"] for row in rows_of(tmp_path / "package", "media")} == {"d1", "d3"}
    issues = {row["deploymentID"]: row["timestampIssues"] for row in rows_of(tmp_path / "package", "deployments")}
    assert issues == {"d1": "true", "d3": ""}


MISTAKES = {
    "no deployments": ((), ["--deployments"], "--camtrap-dp DIR and --deployments CSV: give both"),
    "no zone": ((HEAD + ROWS,), ["--utc-offset"], "its time has no UTC offset, and Camtrap DP needs one"),
    "a folder without a row": ((HEAD + ROWS.splitlines()[0] + "\n",), [], "no row for the folder ridge"),
    "no such place": ((HEAD + ROWS.replace("36.9123", "136"),), [], "line 2: (136.0, 73.0456) is not on Earth"),
    "an id twice": ((HEAD + ROWS.replace("d2", "d1"),), [], "line 3: deploymentID 'd1' is empty or there twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 before any picture is scored."""
    rows, lacking, message = MISTAKES[mistake]
    given = arguments(tmp_path, *rows or (HEAD + ROWS,), "--utc-offset", "5")
    for option in lacking:
        at = given.index(option)
        del given[at : at + 2]
    assert (main(given), (tmp_path / "out").exists()) == (2, False)
    said = capsys.readouterr().err
    assert (message in said, said.count("\n")) == (True, 1), said


@pytest.mark.parametrize("where", ["a/package", "other"])
def test_neither_the_archive_nor_another_package_is_written_to(
    tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are only read."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/datapackage.json").write_text('{"name": "theirs"}')
    assert main(arguments(tmp_path, HEAD + ROWS, "--utc-offset", "5", "--camtrap-dp", str(tmp_path / where))) == 2
    assert "give another folder" in capsys.readouterr().err
    assert (tmp_path / "other/datapackage.json").read_text() == '{"name": "theirs"}'
    assert not (tmp_path / "a/package").exists()
