"""Boxes of a CSV or of COCO, for the pictures of a data set."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.camtrap import medium, observation, write_package
from uncia_contract.bursts.regions import RegionRule, region_about
from uncia_contract.datasets.boxes import BBOX
from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError
from uncia_contract.pictures.region import Region

CORNER = Region(0.9, 0.9, 0.1, 0.1)
HEADER = "file,left,top,right,bottom,light\n"


def data(folder: Path) -> Path:
    (folder / "l.csv").write_text("file,label\nhill/a.jpg,cat\ndale/a.jpg,cat\n")
    return folder / "l.csv"


def boxes_of(folder: Path, boxes: Path) -> list[Region | None]:
    return [picture.box for picture in read_data(data(folder), boxes=boxes)]


def write(path: Path, lines: str) -> Path:
    path.write_text(HEADER + lines)
    return path


def test_a_csv_names_files_relative_to_itself(tmp_path: Path) -> None:
    """Equal names in two folders are two files; a picture without a row has no box."""
    (tmp_path / "more").mkdir()
    path = write(tmp_path / "more/b.csv", "../dale/a.jpg,0.5,0.25,1,0.75,day\n")
    assert boxes_of(tmp_path, path) == [None, Region(0.5, 0.25, 0.5, 0.5)]


def test_several_boxes_of_a_picture_are_the_smallest_around_all(tmp_path: Path) -> None:
    """Two animals give one region."""
    path = write(tmp_path / "b.csv", "hill/a.jpg,0,0.25,0.25,0.5,day\nhill/a.jpg,0.5,0.5,0.75,1,day\n")
    assert boxes_of(tmp_path, path)[0] == Region(0.0, 0.25, 0.75, 0.75)


def test_boxes_may_be_in_the_data_set(tmp_path: Path) -> None:
    """In the CSV of labels; empty cells mean no box."""
    (tmp_path / "l.csv").write_text("file,label,left,top,right,bottom\na.jpg,cat,0,0,0.5,0.5\nb.jpg,cat,,,,\n")
    found = read_data(tmp_path / "l.csv", boxes=tmp_path / "l.csv")
    assert [picture.box for picture in found] == [Region(0.0, 0.0, 0.5, 0.5), None]


def test_coco_boxes_are_those_of_the_pictures_label(tmp_path: Path) -> None:
    """In pixels, cut to the frame; a box without an area is ignored."""
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in range(2)],
        "annotations": [
            {"image_id": 0, "category_id": 1, "bbox": [0, 0, 50, 50]},
            {"image_id": 0, "category_id": 2, "bbox": [100, 50, 120, 50]},
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 0, 0]},
        ],
        "categories": [{"id": 1, "name": "ibex"}, {"id": 2, "name": "leopard"}],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content))
    assert [one.box for one in read_data(path, ["leopard"], boxes=path)] == [Region(0.5, 0.5, 0.5, 0.5), None]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("hill/a.jpg,10,20,110,220,day\n", "line 2: a box of 10,20,110,220; expected fractions"),
        ("hill/a.jpg,0.5,0,0.25,1,day\n", "line 2: .*expected fractions"),
        ("hill/a.jpg,0.5,,,,day\n", "line 2: .*expected fractions"),
        ("peak/a.jpg,0,0,1,1,day\n", "none of its 1 pictures with a box is in the data set"),
    ],
    ids=["pixels", "right of its right side", "a cell without a number", "other pictures"],
)
def test_invalid_boxes_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    """With the line and what is expected."""
    with pytest.raises(DataError, match=message):
        boxes_of(tmp_path, write(tmp_path / "b.csv", lines))


def test_a_folder_is_refused_as_a_file_of_boxes(tmp_path: Path) -> None:
    """The message says what is expected."""
    with pytest.raises(DataError, match=r"a folder; expected a CSV with file,left,top,right,bottom"):
        boxes_of(tmp_path, tmp_path)


def test_camtrap_dps_boxes_are_those_of_observations(tmp_path: Path) -> None:
    """Of single media, with the picture's label; an observation of a whole event has no box."""
    ibex = {"scientificName": "Capra sibirica"}
    sides = [
        dict(zip(BBOX, cells, strict=True)) for cells in (("0.5", "0.25", "0.5004", "0.5"), ("0", "0", "0.1", "0.1"))
    ]
    package = write_package(
        tmp_path / "p",
        [medium("m1"), medium("m2", "09:00:00")],
        [observation("a", mediaID="m1", **sides[0]), observation("b", mediaID="m1", **ibex, **sides[1]),
         observation("c", mediaID="m2")],
    )  # fmt: skip
    found = read_data(package, ["Panthera_uncia"], boxes=package)
    assert [(one.file, one.box) for one in found] == [
        ("media/m1.jpg", Region(0.5, 0.25, 0.5, 0.5)),
        ("media/m2.jpg", None),
    ]


def test_a_region_about_a_box_is_widened_as_the_rule_says() -> None:
    """Square in pixels, enlarged by `scale`, within the frame."""
    rule = RegionRule(scale=1.5)
    found = [region_about(Region(0.4, 0.4, 0.2, 0.2), (200, 100), rule), region_about(CORNER, (100, 100), rule)]
    sides = [msgspec.structs.astuple(choice.region) for choice in found if choice.region]
    assert np.allclose(sides, [(0.35, 0.2, 0.3, 0.6), (0.8, 0.8, 0.2, 0.2)])
