"""Boxes that people or detectors drew around animals, for the pictures of a data set.

Decides where they come from: a CSV with `file`, relative to it, and `left`, `top`, `right`, `bottom` in fractions of
the upright frame, or COCO's `bbox`. Of several boxes of a picture the smallest one around all counts; of COCO's, those
of the picture's own label where it has any.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from uncia_contract.datasets.coco_labels import CocoImage, coco_folder, read_coco_file
from uncia_contract.datasets.csv_labels import table_rows
from uncia_contract.errors import DataError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture

SIDES = ("left", "top", "right", "bottom")
Box = tuple[float, float, float, float]  # left, top, right, bottom, in fractions of the frame


def with_boxes(pictures: Sequence[LabelledPicture], boxes: Path) -> list[LabelledPicture]:
    """The pictures, those with a box in the file with it.

    Raises:
        DataError: not such a file, a box that is none, or no box of any of the pictures.
    """
    if boxes.is_dir():
        raise DataError(f"{boxes}: a folder; expected a CSV with file,{','.join(SIDES)}, or COCO Camera Traps JSON")
    found: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    for path, label, box in _coco_boxes(boxes) if boxes.suffix.lower() == ".json" else _csv_boxes(boxes):
        found[_place(path)].append((label, box))
    boxed = [_boxed(picture, found.get(_place(picture.path), ())) for picture in pictures]
    if all(picture.box is None for picture in boxed):
        raise DataError(f"{boxes}: none of its {len(found)} pictures with a box is in the data set")
    return boxed


def _place(path: Path) -> str:
    return os.path.normpath(Path.cwd() / path)


def _boxed(picture: LabelledPicture, found: Sequence[tuple[str, Box]]) -> LabelledPicture:
    own = [box for label, box in found if label == picture.label] or [box for _, box in found]
    if not own:
        return picture
    lefts, tops, rights, bottoms = zip(*own, strict=True)
    left, top = min(lefts), min(tops)
    return replace(picture, box=Region(left, top, max(rights) - left, max(bottoms) - top))


def _csv_boxes(path: Path) -> Iterator[tuple[Path, str, Box]]:
    for where, row in table_rows(path, ("file", *SIDES)):
        if not any(row[side] for side in SIDES):
            continue
        try:
            left, top, right, bottom = (float(row[side]) for side in SIDES)
        except ValueError:
            left = top = right = bottom = -1.0
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            got = ",".join(row[side] for side in SIDES)
            raise DataError(f"{where}: {','.join(SIDES)} is {got}; expected fractions of the frame from 0 to 1")
        yield path.parent / row["file"], "", (left, top, right, bottom)


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
    """A box of pixels in fractions, cut off where it leaves the frame."""
    if not image.width or not image.height:
        raise DataError(f"{path}: image {image.id} has a bbox, but no width and height; add them")
    left, top, width, height = bbox
    sides = (left / image.width, top / image.height, (left + width) / image.width, (top + height) / image.height)
    inside = [min(max(side, 0.0), 1.0) for side in sides]
    return inside[0], inside[1], inside[2], inside[3]
