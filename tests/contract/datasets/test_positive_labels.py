"""A label that differs from a positive one only in writing is refused, in every format."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from uncia_contract.datasets.positive_labels import positive_labels
from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError

KINDS = {
    "case": ("Snow_Leopard", "snow_leopard"),
    "blank for underscore": ("snow leopard", "snow_leopard"),
    "no-break blank": ("snow\u00a0leopard", "snow_leopard"),
    "two blanks": ("snow  leopard", "snow leopard"),
    "no blank": ("snowleopard", "snow_leopard"),
    "hyphen": ("snow-leopard", "snow_leopard"),
    "full-width letters": ("\uff53now_leopard", "snow_leopard"),
    "author in brackets": ("Panthera uncia (Schreber, 1775)", "Panthera_uncia"),
    "author without brackets": ("Panthera uncia Schreber, 1775", "Panthera uncia"),
    "author in the positive": ("Panthera uncia", "Panthera uncia (Schreber, 1775)"),
}
OTHERS = ["ibex", "snow_leopard_cub", "Panthera uncia uncia", "Panthera pardus (Linnaeus, 1758)", "leopard (2019)"]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24)).save(path)


def csv(folder: Path, label: str) -> Path:
    (folder / "l.csv").write_text(f'file,label\na.jpg,ibex\nb.jpg,"{label}"\n', encoding="utf-8")
    return folder / "l.csv"


def folders(folder: Path, label: str) -> Path:
    picture(folder / "data" / label / "b.jpg")
    return folder / "data"


def coco(folder: Path, label: str) -> Path:
    """One picture with an ibex, and with what shall be found, which an ibex of the same picture does not hide."""
    content = {
        "images": [{"id": "1", "file_name": "b.jpg"}],
        "annotations": [{"image_id": "1", "category_id": number} for number in (1, 2)],
        "categories": [{"id": 1, "name": "ibex"}, {"id": 2, "name": label}],
    }
    (folder / "c.json").write_text(json.dumps(content))
    return folder / "c.json"


@pytest.mark.parametrize("make", [csv, folders, coco], ids=["csv", "folder per label", "coco"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_label_written_in_another_way_is_refused(
    tmp_path: Path, make: Callable[[Path, str], Path], kind: str
) -> None:
    """The message names both."""
    label, positive = KINDS[kind]
    with pytest.raises(DataError) as told:
        read_data(make(tmp_path, label), [positive])
    assert repr(label) in str(told.value) and repr(positive) in str(told.value)


@pytest.mark.parametrize("label", OTHERS)
def test_another_label_is_another_label(tmp_path: Path, label: str) -> None:
    """Also if it begins like the positive label."""
    found = read_data(csv(tmp_path, label), ["snow_leopard", "Panthera uncia", "leopard"])
    assert [one.label for one in found] == ["ibex", label]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat", "Cat"], "'Cat' differs from 'cat' only in writing"),
        (["Other"], "the class of everything else"),
        (["  "], "expected a label"),
    ],
    ids=["written in two ways", "the class of all else", "blank"],
)
def test_an_invalid_positive_label_is_refused(labels: list[str], message: str) -> None:
    """Before any picture is read."""
    with pytest.raises(DataError, match=message):
        positive_labels(labels)


def test_a_positive_label_named_twice_is_one() -> None:
    """The order is that of the first mention."""
    assert positive_labels(["lynx", "cat", "lynx"]) == ("lynx", "cat")
