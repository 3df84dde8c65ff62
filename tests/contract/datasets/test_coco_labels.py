"""COCO Camera Traps: what each image shows, in which sequence and where."""

import json
from pathlib import Path

import pytest

from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError


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
