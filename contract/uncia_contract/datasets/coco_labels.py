"""COCO Camera Traps JSON, as LILA publishes it: images, annotations and categories.

Decides what an image's label is where it has several annotations: a positive label wins, then any animal, then `empty`.
Pictures marked `corrupt` and those without an annotation are left out. `seq_id`, `frame_num`, `location` and
`datetime` are taken over; pictures lie relative to the JSON, or to an `images` folder beside it.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.datasets.strongest_label import strongest
from uncia_contract.errors import DataError
from uncia_contract.runs.labels import LabelledPicture


class CocoImage(Struct, frozen=True):
    """One entry of `images`."""

    id: str | int
    file_name: str
    seq_id: str | int | None = None
    frame_num: int | None = None
    location: str | int | None = None
    datetime: str | None = None
    corrupt: bool | None = False


class CocoAnnotation(Struct, frozen=True):
    """One entry of `annotations`."""

    image_id: str | int
    category_id: int


class CocoCategory(Struct, frozen=True):
    """One entry of `categories`."""

    id: int
    name: str


class CocoFile(Struct, frozen=True):
    """The whole file."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read_coco(path: Path, positive: Sequence[str] = ()) -> list[LabelledPicture]:
    """The labelled pictures of a file, in order of sequence and frame number.

    Raises:
        DataError: not such a file; an annotation of an unknown image or category; one that differs from a positive
            label only in writing; no pictures.
    """
    try:
        coco = msgspec.json.decode(path.read_bytes(), type=CocoFile)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(
            f"{path}: {error}; expected COCO Camera Traps JSON (images, annotations, categories)"
        ) from error
    names = _labels(path, coco, positive)
    folder = path.parent / "images" if (path.parent / "images").is_dir() else path.parent
    usable = [image for image in coco.images if not image.corrupt and str(image.id) in names]
    if not usable:
        raise DataError(f"{path}: no picture that is annotated and not corrupt, of {len(coco.images)}")
    ordered = sorted(usable, key=lambda image: (str(image.seq_id or ""), image.frame_num or 0, image.file_name))
    return [_picture(image, names[str(image.id)], folder, path.stem) for image in ordered]


def _labels(path: Path, coco: CocoFile, positive: Sequence[str]) -> dict[str, str]:
    categories = {category.id: category.name for category in coco.categories}
    images = {str(image.id) for image in coco.images}
    found: dict[str, list[str]] = defaultdict(list)
    for annotation in coco.annotations:
        image = str(annotation.image_id)
        if image not in images or annotation.category_id not in categories:
            what = f"image {image}" if image not in images else f"category {annotation.category_id}"
            raise DataError(f"{path}: an annotation names {what}, which the file does not list; mend or delete it")
        found[image].append(categories[annotation.category_id])
    check_labels(((name, str(path)) for names in found.values() for name in names), positive)
    return {image: strongest(labels, positive) for image, labels in found.items()}


def _picture(image: CocoImage, label: str, folder: Path, source: str) -> LabelledPicture:
    return LabelledPicture(
        file=image.file_name,
        path=folder / image.file_name,
        label=label,
        sequence="" if image.seq_id is None else str(image.seq_id),
        location="" if image.location is None else str(image.location),
        datetime=image.datetime or "",
        source=source,
    )
