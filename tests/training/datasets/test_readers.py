"""Camtrap DP packages as labelled pictures."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.reader import read_data
from uncia_training.features.data_pass import pass_over


def table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_camtrap_dp(tmp_path):
    """Events are sequences; an observation of a picture replaces that of its event; videos are left out."""
    (tmp_path / "datapackage.json").write_text('{"name": "survey"}')
    table(tmp_path / "deployments.csv", [{"deploymentID": "d1", "locationID": "ridge"}])
    start = datetime.fromisoformat("2024-05-01T10:00:00+02:00")
    media = [("m1", 0, "image/jpeg"), ("m2", 2, "image/jpeg"), ("m3", 3, "video/mp4"), ("m4", 900, "image/jpeg")]
    table(tmp_path / "media.csv", [
        {"mediaID": name, "deploymentID": "d1", "timestamp": (start + timedelta(seconds=after)).isoformat(),
         "filePath": f"media/{name}.jpg", "fileMediatype": kind} for name, after, kind in media])  # fmt: skip
    common = {"deploymentID": "d1", "eventID": "e1", "eventStart": "2024-05-01T08:00:00Z",
              "eventEnd": "2024-05-01T08:00:10Z"}  # fmt: skip
    table(tmp_path / "observations.csv", [
        common | {"mediaID": "", "observationType": "animal", "scientificName": "Panthera uncia"},
        common | {"mediaID": "m2", "observationType": "blank", "scientificName": ""}])  # fmt: skip
    found = read_data(tmp_path, ["Panthera_uncia"])
    assert [(one.path.name, one.label, one.sequence, one.location) for one in found] == [
        ("m1.jpg", "Panthera_uncia", "e1", "ridge"), ("m2.jpg", "blank", "e1", "ridge")]  # fmt: skip


def test_the_standards_own_example_is_read(shared):
    """Camtrap DP 1.0.2's example: names, events, places and times; each file that is not there is named."""
    folder = shared / "camtrap-dp" / "example"
    found = read_data(folder, ["Anas_platyrhynchos"])
    with (folder / "media.csv").open(newline="") as text:
        names = {name for row in csv.DictReader(text) for name in (row["fileName"], row["filePath"])}
    assert {one.file for one in found} <= names
    duck = next(one for one in found if one.file == "20200709093328-RCNX0001.JPG")
    assert (duck.label, duck.sequence, duck.location, duck.datetime) == (
        "Anas_platyrhynchos", "4bb69c45", "e254a13c", "2020-05-30T04:57:37+02:00")  # fmt: skip
    failures = pass_over(found, RegionRule(), [], lambda picture: True, 1)[0].failures
    assert [failure.file for failure in failures] == [one.file for one in found]
    assert all("No such file" in failure.reason for failure in failures)
    with (folder / "observations.csv").open(newline="") as text:
        events = {row["eventID"] for row in csv.DictReader(text)}
    assert {one.sequence for one in found} <= events
