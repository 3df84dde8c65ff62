"""`uncia-train score` also takes a data set, with the sequences and places that other commands see."""

import csv
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from uncia_training.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import STARTER, archive, picture

pytestmark = pytest.mark.heavy
# Two visits of two places at one minute, and a picture alone a minute later.
TAKEN = {"a": ("pass", 1, 0), "b": ("pass", 1, 1), "c": ("ridge", 1, 0), "d": ("ridge", 1, 1), "e": ("ridge", 2, 30)}
SEQUENCES = [("pass", "a b"), ("ridge", "c d"), ("ridge", "e")]


def pictures(folder: Path) -> Path:
    """The pictures of the survey."""
    for seed, (name, (_, minute, second)) in enumerate(TAKEN.items()):
        picture(folder / f"{name}.jpg", minute, second, seed)
    return folder


def as_csv(folder: Path) -> Path:
    """Without sequences: they are formed by time."""
    rows = [f"{name}.jpg,fox,{place}" for name, (place, _, _) in TAKEN.items()]
    (folder / "labels.csv").write_text("\n".join(["file,label,location", *rows]) + "\n")
    return folder / "labels.csv"


def as_coco(folder: Path) -> Path:
    """With sequence ids that are unique only within a place."""
    ids = dict(zip(TAKEN, "11112", strict=True))
    images = [{"id": name, "file_name": f"{name}.jpg", "location": place, "seq_id": ids[name]}
              for name, (place, _, _) in TAKEN.items()]  # fmt: skip
    content = {
        "images": images,
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "fox"}],
        "annotations": [{"id": name, "image_id": name, "category_id": 1} for name in TAKEN],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return folder / "coco.json"


def as_package(folder: Path) -> Path:
    """A folder with a descriptor."""
    places = sorted({place for place, _, _ in TAKEN.values()})
    tables = {
        "deployments": [("deploymentID", "locationID"), *((place, place) for place in places)],
        "media": [("mediaID", "deploymentID", "timestamp", "filePath", "fileMediatype"),
                  *((name, place, f"2026-03-01T05:{minute:02}:{second:02}Z", f"{name}.jpg", "image/jpeg")
                    for name, (place, minute, second) in TAKEN.items())],
        "observations": [("observationID", "deploymentID", "mediaID", "eventID", "observationLevel", "observationType",
                          "scientificName"),
                         *((name, place, name, "", "media", "animal", "Vulpes vulpes")
                           for name, (place, _, _) in TAKEN.items())],
    }  # fmt: skip
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as text:
            csv.writer(text).writerows(rows)
    profile = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0/camtrap-dp-profile.json"
    resources = [{"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource"} for name in tables]
    (folder / "datapackage.json").write_text(json.dumps({"profile": profile, "resources": resources}))
    return folder


def as_zip(folder: Path) -> Path:
    """The package's tables as a zip, with the pictures beside it."""
    as_package(folder)
    with zipfile.ZipFile(folder / "survey.zip", "w") as packed:
        for path in [*folder.glob("*.csv"), folder / "datapackage.json"]:
            packed.write(path, path.name)
            path.unlink()
    return folder / "survey.zip"


KINDS: dict[str, Callable[[Path], Path]] = {
    "CSV": as_csv,
    "COCO": as_coco,
    "Camtrap DP's folder": as_package,
    "its datapackage.json": lambda folder: as_package(folder) / "datapackage.json",
    "a zip": as_zip,
}


def score(data: Path, out: Path, *more: str) -> int:
    """The exit code of the command."""
    return main(["score", str(data), "--bundle", str(STARTER), "--out", str(out), *more])


def table(out: Path) -> list[dict[str, str]]:
    """The rows of the CSV."""
    with (out / "scores.csv").open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_and_places_are_the_data_sets(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In every format; the sum counts its pictures."""
    assert score(KINDS[kind](pictures(tmp_path / "survey")), tmp_path / "out") == 0
    found: dict[tuple[str, str], list[str]] = {}
    for row in table(tmp_path / "out"):
        found.setdefault((row["trap"], row["sequence"]), []).append(row["file"].removesuffix(".jpg"))
    assert [(trap, " ".join(names)) for (trap, _), names in found.items()] == SEQUENCES
    assert "5 pictures found: 5 used, 0 failed, 0 left out" in capsys.readouterr().out


def test_a_data_set_is_scored_as_evaluate_does(tmp_path: Path) -> None:
    """A sequence of pictures hours apart, in other formats, in the order of the data set."""
    folder = pictures(tmp_path / "survey")
    picture(folder / "late.jpg", 50, 0, 9)
    Image.open(folder / "a.jpg").save(folder / "a.png")
    (folder / "labels.csv").write_text("file,label,sequence\nlate.jpg,fox,1\na.png,fox,1\nb.jpg,fox,1\n")
    report = tmp_path / "report.json"
    assert score(folder / "labels.csv", tmp_path / "out") == 0
    assert main(["evaluate", "--bundle", str(STARTER), "--data", str(folder / "labels.csv"), "--json",
                 str(report)]) == 0  # fmt: skip
    rows, content = table(tmp_path / "out"), json.loads(report.read_text())
    assert [row["file"] for row in rows] == ["late.jpg", "a.png", "b.jpg"]
    assert {row["sequence"] for row in rows} == {"late.jpg"}
    assert content["sequences"]["n"] == 1


def test_equal_places_of_two_sources_are_two_traps(tmp_path: Path) -> None:
    """Location ids are unique only within a source."""
    folder = pictures(tmp_path / "survey")
    (folder / "labels.csv").write_text("file,label,location,source\na.jpg,fox,1,x\nb.jpg,fox,1,y\nc.jpg,fox,2,y\n")
    assert score(folder / "labels.csv", tmp_path / "out", "--write", "csv") == 0
    assert [row["trap"] for row in table(tmp_path / "out")] == ["2", "x/1", "y/1"]


def test_a_second_run_scores_only_changed_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same files in another sequence are another sequence."""
    data = as_csv(pictures(tmp_path / "survey"))
    for _ in range(2):
        assert score(data, tmp_path / "out", "--write", "csv") == 0
    assert capsys.readouterr().out.count("; 0 scored now") == 1
    data.write_text(data.read_text().replace("e.jpg,fox,ridge", "e.jpg,fox,pass"))
    assert score(data, tmp_path / "out", "--write", "csv") == 0
    assert "; 1 scored now" in capsys.readouterr().out


def test_a_changed_time_of_the_data_set_is_in_the_results(tmp_path: Path) -> None:
    """Scores of an earlier run do not keep the old time."""
    Image.new("RGB", (320, 240)).save(tmp_path / "a.jpg")
    for day in ("01", "02"):
        (tmp_path / "labels.csv").write_text(f"file,label,datetime\na.jpg,fox,2026-03-{day}T10:00:00\n")
        assert score(tmp_path / "labels.csv", tmp_path / "out", "--write", "csv") == 0
    assert [row["datetime"] for row in table(tmp_path / "out")] == ["2026-03-02T10:00:00"]


def test_failures_and_pictures_without_a_label_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is an error with its name, as in an archive."""
    folder = pictures(tmp_path / "survey")
    (folder / "labels.csv").write_text("file,label\na.jpg,fox\ngone.jpg,fox\nb.jpg,\n")
    assert score(folder / "labels.csv", tmp_path / "out", "--write", "csv") == 1
    told = capsys.readouterr()
    assert "gone.jpg: cannot be read" in told.err
    assert "3 pictures found: 1 used, 1 failed (named above), 1 left out (1 without a label)" in told.out


@pytest.mark.parametrize(
    "more", [["--engine", "spark"], ["--sort-into", "x"], ["--camtrap-dp", "x"], ["--suggest", "3"]]
)
def test_options_for_folders_only_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    """In one line, exit code 2."""
    data = as_csv(pictures(tmp_path / "survey"))
    assert score(data, tmp_path / "out", *more) == 2
    assert f"a data set; {more[0]}" in capsys.readouterr().err


def test_a_folder_without_a_descriptor_stays_an_archive(tmp_path: Path) -> None:
    """Even if tables lie in it."""
    folder = archive(tmp_path / "a", 1)
    (folder / "labels.csv").write_text("file,label\n")
    assert (score(folder, tmp_path / "out", "--write", "csv"), len(table(tmp_path / "out"))) == (0, 7)
