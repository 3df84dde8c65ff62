"""COCO Camera Traps: the label, sequence and place of each image."""

import json
from pathlib import Path

import pytest

from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import sequences


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
    """Sequences are in the order of their frames, a positive label has precedence, corrupt images are left out."""
    pairs = [("i1", 1), ("i1", 2), ("i2", 1), ("i3", 1), ("i4", 0)]
    path = coco(tmp_path, [{"image_id": image, "category_id": category} for image, category in pairs])
    found = [(one.file, one.label, one.sequence, one.location) for one in read_data(path, ["snow_leopard"])]
    assert found == [("c.jpg", "blank", "", ""), ("a.jpg", "snow_leopard", "s", "7"), ("b.jpg", "deer", "s", "7")]


def test_what_is_left_out_is_counted(tmp_path):
    """One image is corrupt, two have no annotation."""
    notes = PictureNotes()
    found = read_data(coco(tmp_path, [{"image_id": "i1", "category_id": 1}]), notes=notes)
    assert (len(found), notes.left_out) == (1, {"corrupt": 1, "unlabelled": 2})


def test_coco_annotation_of_an_unknown_image_is_named(tmp_path):
    """The message has the image's id."""
    with pytest.raises(DataError, match="image i9"):
        read_data(coco(tmp_path, [{"image_id": "i9", "category_id": 1}]))


def survey(folder: Path, images: list[dict], annotations: list[tuple[int, str, bool]]) -> Path:
    """Images with numbers as ids; annotations as (image, category, whether of the whole sequence)."""
    names = sorted({name for _, name, _ in annotations})
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} | image for number, image in enumerate(images)],
        "annotations": [
            {"image_id": image, "category_id": names.index(name), "sequence_level_annotation": whole}
            for image, name, whole in annotations
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    (folder / "s.json").write_text(json.dumps(content))
    return folder / "s.json"


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [
        ([(0, "leopard", True)], "leopard leopard leopard"),
        ([(0, "leopard", True), (1, "leopard", True), (2, "leopard", True)], "leopard leopard leopard"),
        ([(0, "leopard", True), (1, "leopard", False)], "blank leopard blank"),
        ([(0, "leopard", True), (0, "empty", False)], "blank leopard leopard"),
        ([(0, "leopard", True), (0, "ibex", True), (1, "ibex", False)], "leopard ibex leopard"),
        ([(0, "leopard", True), (0, "empty", False), (1, "leopard", False)], "blank leopard blank"),
        ([(0, "empty", True)], "blank blank blank"),
    ],
    ids=[
        "told once",
        "told of every frame",
        "one frame has it of its own",
        "one frame is empty of its own",
        "another animal has its own frame",
        "frames of both kinds",
        "empty as a whole",
    ],
)
def test_an_annotation_of_a_sequence_is_not_one_of_each_image(tmp_path: Path, annotations: list, labels: str) -> None:
    """A frame that looks empty, beside labelled frames, does not get the animal's label."""
    images = [{"seq_id": "s", "frame_num": frame, "location": "hill"} for frame in range(3)]
    found = read_data(survey(tmp_path, images, annotations), ["leopard"])
    assert [one.label for one in found] == labels.split()


def test_equal_sequence_ids_at_two_locations_are_two_sequences(tmp_path: Path) -> None:
    """An annotation of sequence 1 on the hill does not count for sequence 1 in the dale."""
    images = [{"seq_id": 1, "location": place} for place in ("hill", "hill", "dale", "dale")]
    found = read_data(survey(tmp_path, images, [(0, "leopard", True), (2, "empty", True)]))
    assert [[(one.file, one.label) for one in burst] for burst in sequences(found)] == [
        [("2.jpg", "blank"), ("3.jpg", "blank")],
        [("0.jpg", "leopard"), ("1.jpg", "leopard")],
    ]


def test_equal_names_in_two_folders_are_two_files(tmp_path: Path) -> None:
    """Each camera numbers its files from 1."""
    images = [{"file_name": f"{place}/IMG_0001.JPG"} for place in ("hill", "dale")]
    found = read_data(survey(tmp_path, images, [(0, "leopard", False), (1, "empty", False)]))
    assert [(one.file, one.label, one.path) for one in found] == [
        ("dale/IMG_0001.JPG", "blank", tmp_path / "dale/IMG_0001.JPG"),
        ("hill/IMG_0001.JPG", "leopard", tmp_path / "hill/IMG_0001.JPG"),
    ]


def test_one_file_under_two_ids_is_refused(tmp_path: Path) -> None:
    """The message names both ids."""
    path = survey(tmp_path, [{"file_name": "a.jpg"}] * 2, [(0, "leopard", False), (1, "empty", False)])
    with pytest.raises(DataError, match=r"images 0 and 1 are both a.jpg; keep one of the two"):
        read_data(path)
