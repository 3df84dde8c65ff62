"""Reads COCO Camera Traps JSON, as LILA publishes it: images, annotations and categories.

Decides an image's label. #1 Of several annotations, a positive label has precedence, then any animal, then `empty`.
#2 An annotation with `sequence_level_annotation` is of the whole sequence, not of the image. If an image has
annotations of its own, only these count. #3 An image without annotations of its own gets those of its sequence that no
image of the sequence has as its own; if there are none left, it is blank.
Images marked `corrupt` and images without annotations are left out and counted. `seq_id` (unique within a location),
`frame_num`, `location` and `datetime` are used. File names are relative to the JSON file, or to a folder `images`
beside it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from uncia_contract.datasets.detector_results import refuse_detector_file
from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.datasets.strongest_label import strongest
from uncia_contract.errors import UNDECODABLE, DataError
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture


class CocoImage(Struct, frozen=True):
    """One entry of `images`."""

    id: str | int
    file_name: str
    seq_id: str | int | None = None
    frame_num: int | None = None
    location: str | int | None = None
    width: float | None = None
    height: float | None = None
    datetime: str | None = None
    corrupt: bool | None = False


class CocoAnnotation(Struct, frozen=True):
    """One entry of `annotations`."""

    image_id: str | int
    category_id: int
    sequence_level_annotation: bool | int | None = None
    bbox: list[float] | None = None


class CocoCategory(Struct, frozen=True):
    """One entry of `categories`."""

    id: int
    name: str


class CocoFile(Struct, frozen=True):
    """The whole file."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read_coco(path: Path, positive: Sequence[str] = (), notes: PictureNotes | None = None) -> list[LabelledPicture]:
    """The labelled pictures of a file, in order of sequence and frame number; `notes` receives what is left out.

    Raises:
        DataError: not such a file; an annotation of an unknown image or category; a label that differs from a positive
            one only in writing; two images of one file; no pictures.
    """
    coco = read_coco_file(path)
    _refuse_doubles(path, coco.images)
    names = _labels(path, coco, positive)
    folder = coco_folder(path)
    usable = [image for image in coco.images if not image.corrupt and str(image.id) in names]
    if notes is not None:
        corrupt = sum(bool(image.corrupt) for image in coco.images)
        notes.left_out[LeftOut.CORRUPT] += corrupt
        notes.left_out[LeftOut.UNLABELLED] += len(coco.images) - corrupt - len(usable)
    if not usable:
        raise DataError(f"{path}: no picture that is annotated and not corrupt, of {len(coco.images)}")
    ordered = sorted(usable, key=_place)
    return [_picture(image, names[str(image.id)], folder, path.stem) for image in ordered]


def coco_folder(path: Path) -> Path:
    """The folder to which the file names of a JSON file are relative."""
    return path.parent / "images" if (path.parent / "images").is_dir() else path.parent


def read_coco_file(path: Path) -> CocoFile:
    """The content of a file.

    Raises:
        DataError: it cannot be read, or is not COCO Camera Traps JSON.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=CocoFile)
    except (OSError, *UNDECODABLE) as error:
        refuse_detector_file(path)
        raise DataError(
            f"{path}: {error}; expected COCO Camera Traps JSON (images, annotations, categories)"
        ) from error


def _labels(path: Path, coco: CocoFile, positive: Sequence[str]) -> dict[str, str]:
    """The label of each image, by its id; images without annotations are left out."""
    keys = {str(image.id): _sequence(image) for image in coco.images}
    own, shown, whole = (defaultdict[Any, list[str]](list) for _ in range(3))
    for image, name, of_sequence in _annotations(path, coco):
        if of_sequence:
            whole[keys[image]].append(name)
        else:
            own[image].append(name)
            shown[keys[image]].append(name)
    check_labels(((name, str(path)) for names in (*own.values(), *whole.values()) for name in names), positive)
    missing = {key: [name for name in names if name not in shown[key]] for key, names in whole.items()}  # 3
    labels = {image: own[image] if image in own else missing.get(key) for image, key in keys.items()}  # 2
    return {image: strongest(names, positive) for image, names in labels.items() if names is not None}


def _annotations(path: Path, coco: CocoFile) -> Iterator[tuple[str, str, bool]]:
    """Each annotation: (image id, category name, whether it is of the whole sequence)."""
    categories = {category.id: category.name for category in coco.categories}
    images = {str(image.id) for image in coco.images}
    for annotation in coco.annotations:
        image = str(annotation.image_id)
        if image not in images or annotation.category_id not in categories:
            what = f"image {image}" if image not in images else f"category {annotation.category_id}"
            raise DataError(f"{path}: an annotation names {what}, which the file does not list; correct or delete it")
        yield image, categories[annotation.category_id], bool(annotation.sequence_level_annotation)


def _sequence(image: CocoImage) -> tuple[str, ...]:
    """The key that all images of one sequence share."""
    return (str(image.location), str(image.seq_id)) if image.seq_id is not None else (str(image.id),)


def _place(image: CocoImage) -> tuple[str, str, int, str]:
    """The key by which images are sorted."""
    return str(image.seq_id or ""), str(image.location or ""), image.frame_num or 0, image.file_name


def _refuse_doubles(path: Path, images: Sequence[CocoImage]) -> None:
    first: dict[str, str | int] = {}
    for image in images:
        earlier = first.setdefault(image.file_name, image.id)
        if earlier != image.id:
            raise DataError(f"{path}: images {earlier} and {image.id} are both {image.file_name}; keep one of the two")


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
