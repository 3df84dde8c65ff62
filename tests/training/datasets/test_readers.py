"""Data sets in every form that is read: the same pictures, labels, sequences and places."""

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import DataError
from uncia_training.datasets.inspection import inspect_pictures
from uncia_training.datasets.readers import read_data, with_sequences


def jpeg(path: Path, time: datetime | None = None, fraction: str = "", offset: str = "") -> None:
    """A small picture with EXIF times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (32, 24), (90, 120, 60))
    exif = Image.Exif()
    if time:
        details = exif.get_ifd(0x8769)
        details[0x9003] = time.strftime("%Y:%m:%d %H:%M:%S")
        if fraction:
            details[0x9291] = fraction
        if offset:
            details[0x9011] = offset
    image.save(path, exif=exif)


def table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_folders_are_labels(tmp_path):
    """A folder a label, files named relative to the data set."""
    jpeg(tmp_path / "cat" / "hill" / "1.jpg")
    jpeg(tmp_path / "dog" / "2.JPG")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/hill/1.jpg", "cat"), ("dog/2.JPG", "dog")]


def test_deleted_pictures_and_thumbnails_are_no_labels(tmp_path):
    """Nor pictures of a label; nor are a Mac's hidden files."""
    for name in ("cat/1", "cat/._1", "cat/@eaDir/2", ".dtrash/3", "$RECYCLE.BIN/4", "System Volume Information/5"):
        jpeg(tmp_path / f"{name}.jpg")
    assert [(one.file, one.label) for one in read_data(tmp_path)] == [("cat/1.jpg", "cat")]


def coco(tmp_path: Path, annotations: list[dict]) -> Path:
    images = [
        {"id": "i2", "file_name": "b.jpg", "seq_id": "s", "frame_num": 2, "location": 7, "datetime": "2021-01-01"},
        {"id": "i1", "file_name": "a.jpg", "seq_id": "s", "frame_num": 1, "location": 7},
        {"id": "i3", "file_name": "broken.jpg", "corrupt": True},
        {"id": "i4", "file_name": "c.jpg"},
    ]
    categories = [{"id": 0, "name": "empty"}, {"id": 1, "name": "deer"}, {"id": 2, "name": "snow_leopard"}]
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_coco_camera_traps(tmp_path):
    """Sequences in the order of their frames, a positive label wins, corrupt pictures are left out."""
    pairs = [("i1", 1), ("i1", 2), ("i2", 1), ("i3", 1), ("i4", 0)]
    path = coco(tmp_path, [{"image_id": image, "category_id": category} for image, category in pairs])
    found = [(one.file, one.label, one.sequence, one.location) for one in read_data(path, ["snow_leopard"])]
    assert found == [("c.jpg", "blank", "", ""), ("a.jpg", "snow_leopard", "s", "7"), ("b.jpg", "deer", "s", "7")]


def test_coco_annotation_of_an_unknown_image_is_named(tmp_path):
    """The mistake is told with the image's id."""
    with pytest.raises(DataError, match="image i9"):
        read_data(coco(tmp_path, [{"image_id": "i9", "category_id": 1}]))


def test_camtrap_dp(tmp_path):
    """Events are sequences; an observation of a medium wins over that of its event; videos are left out."""
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


def test_exif_times_make_sequences(tmp_path):
    """Sub-seconds and offsets count: 10:00:00.9 +02:00 and 08:00:01.2 UTC are one burst, an hour later is not."""
    time = datetime.fromisoformat("2024-05-01T10:00:00")
    jpeg(tmp_path / "cat" / "1.jpg", time, "9", "+02:00")
    jpeg(tmp_path / "cat" / "2.jpg", time - timedelta(seconds=7199), "2", "+00:00")
    jpeg(tmp_path / "cat" / "3.jpg", time, "", "+01:00")
    named = with_sequences(read_data(tmp_path), BurstRule(gap_s=0.5))
    assert [bool(one.sequence) for one in named] == [True, True, False]


def test_the_data_sets_time_serves_where_exif_has_none(tmp_path):
    """Two rows ten seconds apart at one place are one sequence."""
    for name in ("1", "2"):
        jpeg(tmp_path / f"{name}.jpg")
    rows = [("1.jpg", "2024-05-01T10:00:00Z"), ("2.jpg", "2024-05-01T10:00:05Z")]
    table(tmp_path / "l.csv", [{"file": name, "label": "cat", "location": "hill", "datetime": at} for name, at in rows])
    named = with_sequences(read_data(tmp_path / "l.csv"), BurstRule())
    assert named[0].sequence == named[1].sequence != ""


def test_the_standards_own_example_is_read(shared):
    """Camtrap DP 1.0.2 as published: media under their names, events, places and times; all that lack are named."""
    folder = shared / "camtrap-dp" / "example"
    found = read_data(folder, ["Anas_platyrhynchos"])
    with (folder / "media.csv").open(newline="") as text:
        names = {name for row in csv.DictReader(text) for name in (row["fileName"], row["filePath"])}
    assert {one.file for one in found} <= names
    duck = next(one for one in found if one.file == "20200709093328-RCNX0001.JPG")
    assert (duck.label, duck.sequence, duck.location, duck.datetime) == (
        "Anas_platyrhynchos", "4bb69c45", "e254a13c", "2020-05-30T04:57:37+02:00")  # fmt: skip
    failures = inspect_pictures(found, 1).failures
    assert [failure.file for failure in failures] == [one.file for one in found]
    assert all("No such file" in failure.reason for failure in failures)
    with (folder / "observations.csv").open(newline="") as text:
        events = {row["eventID"] for row in csv.DictReader(text)}
    assert {one.sequence for one in found} <= events
