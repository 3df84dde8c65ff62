"""Reads boxes around animals, drawn by people or detectors, for the pictures of a data set.

Boxes come from a CSV (`file`, relative to it, and `left`, `top`, `right`, `bottom` in fractions of the upright frame),
from COCO's `bbox`, or from Camtrap DP's `bboxX` to `bboxHeight`. If a picture has several boxes, the smallest box
around all of them counts; if some have the picture's own label, around these.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from uncia_contract.datasets.camtrap_labels import media_files
from uncia_contract.datasets.camtrap_package import CamtrapTables
from uncia_contract.datasets.coco_labels import CocoImage, coco_folder, read_coco_file
from uncia_contract.datasets.csv_labels import table_rows
from uncia_contract.datasets.package_files import is_camtrap_dp
from uncia_contract.errors import DataError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture

SIDES = ("left", "top", "right", "bottom")
BBOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
MOST = 1.001
Box = tuple[float, float, float, float]  # left, top, right, bottom, in fractions of the frame


def with_boxes(pictures: Sequence[LabelledPicture], boxes: Path) -> list[LabelledPicture]:
    """The same pictures, with `box` set where the file has a box for them.

    Raises:
        DataError: the file has another format, a box is invalid, or no picture of the data set has a box.
    """
    found: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    for path, label, box in _drawn(boxes):
        found[_place(path)].append((label, box))
    boxed = [_boxed(picture, found.get(_place(picture.path), ())) for picture in pictures]
    if all(picture.box is None for picture in boxed):
        raise DataError(f"{boxes}: none of its {len(found)} pictures with a box is in the data set")
    return boxed


def _drawn(boxes: Path) -> Iterator[tuple[Path, str, Box]]:
    """Each box: (picture's path, label of the box or "", box)."""
    if is_camtrap_dp(boxes):
        return _camtrap_boxes(boxes)
    if boxes.is_dir():
        sides = ",".join(SIDES)
        raise DataError(f"{boxes}: a folder; expected a CSV with file,{sides}, COCO Camera Traps JSON or Camtrap DP")
    return _coco_boxes(boxes) if boxes.suffix.lower() == ".json" else _csv_boxes(boxes)


def _place(path: Path) -> str:
    return os.path.normpath(Path.cwd() / path)


def _boxed(picture: LabelledPicture, found: Sequence[tuple[str, Box]]) -> LabelledPicture:
    called = picture.label.replace("_", " ")  # a label of Camtrap DP may have underscores for spaces
    own = [box for label, box in found if label.replace("_", " ") == called] or [box for _, box in found]
    if not own:
        return picture
    lefts, tops, rights, bottoms = zip(*own, strict=True)
    left, top = min(lefts), min(tops)
    return replace(picture, box=Region(left, top, max(rights) - left, max(bottoms) - top))


def _csv_boxes(path: Path) -> Iterator[tuple[Path, str, Box]]:
    for where, row in table_rows(path, ("file", *SIDES)):
        if not any(row[side] for side in SIDES):
            continue
        left, top, right, bottom = _numbers(where, row, SIDES)
        yield path.parent / row["file"], "", _inside(where, (left, top, right, bottom))


def _camtrap_boxes(path: Path) -> Iterator[tuple[Path, str, Box]]:
    with CamtrapTables(path) as tables:
        files = media_files([line.row for line in tables.lines("media", ("mediaID", "deploymentID", "filePath"))])
        for line in tables.lines("observations", ("mediaID",)):
            if not any(column in line.row for column in BBOX) or line.row.get("mediaID") not in files:
                continue
            left, top, width, height = _numbers(line.where, line.row, BBOX)
            box = _inside(line.where, (left, top, left + width, top + height))
            yield tables.files.folder / files[line.row["mediaID"]], line.row.get("scientificName", ""), box


def _numbers(where: str, row: Mapping[str, str], columns: Sequence[str]) -> list[float]:
    try:
        return [float(row.get(column, "")) for column in columns]
    except ValueError as error:
        raise _no_box(where, ",".join(row.get(column, "") for column in columns)) from error


def _inside(where: str, box: Box) -> Box:
    """The box, cut to 1; DataError if it has no area or leaves the frame. Sums of rounded fractions may exceed 1."""
    left, top, right, bottom = box
    if not (0 <= left < right <= MOST and 0 <= top < bottom <= MOST):
        raise _no_box(where, ",".join(f"{side:g}" for side in box))
    return left, top, min(right, 1.0), min(bottom, 1.0)


def _no_box(where: str, got: str) -> DataError:
    return DataError(f"{where}: a box of {got}; expected fractions of the frame from 0 to 1, and an area")


def _coco_boxes(path: Path) -> Iterator[tuple[Path, str, Box]]:
    coco, folder = read_coco_file(path), coco_folder(path)
    images = {str(image.id): image for image in coco.images}
    names = {category.id: category.name for category in coco.categories}
    for annotation in coco.annotations:
        image = images.get(str(annotation.image_id))
        if image is not None and annotation.bbox is not None and len(annotation.bbox) == 4:
            left, top, right, bottom = _fractions(path, image, annotation.bbox)
            if left < right and top < bottom:
                yield folder / image.file_name, names.get(annotation.category_id, ""), (left, top, right, bottom)


def _fractions(path: Path, image: CocoImage, bbox: Sequence[float]) -> Box:
    """A box in pixels as fractions of the frame, cut to the frame."""
    if not image.width or not image.height:
        raise DataError(f"{path}: image {image.id} has a bbox, but no width and height; add them")
    left, top, width, height = bbox
    sides = (left / image.width, top / image.height, (left + width) / image.width, (top + height) / image.height)
    inside = [min(max(side, 0.0), 1.0) for side in sides]
    return inside[0], inside[1], inside[2], inside[3]
