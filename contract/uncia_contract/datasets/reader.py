"""Labelled pictures from whatever a data set comes as.

Decides which reader takes a path: a folder with `datapackage.json` is Camtrap DP, another folder holds one
for each label; `.json` is COCO Camera Traps or Camtrap DP's `datapackage.json`, `.zip` Camtrap DP; all else is our CSV.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.boxes import with_boxes
from uncia_contract.datasets.camtrap_labels import read_camtrap_dp
from uncia_contract.datasets.coco_labels import read_coco
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.datasets.package_files import is_camtrap_dp
from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.datasets.timed_sequences import with_sequences
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import LeftOut, folders_below, is_picture
from uncia_contract.pictures.picture_sum import PictureNotes, in_words
from uncia_contract.runs.labels import LabelledPicture

_RULE = BurstRule()


def read_data(
    data: Path,
    positive: Sequence[str] = (),
    rule: BurstRule = _RULE,
    zone: tzinfo = UTC,
    boxes: Path | None = None,
    notes: PictureNotes | None = None,
) -> list[LabelledPicture]:
    """Labelled pictures of a data set; pictures without a sequence get one where their times show it.

    Args:
        data: see the module.
        positive: labels that win where a picture has several.
        rule: when a burst ends.
        zone: of times that name no offset.
        boxes: a file with boxes that serve as regions, `data` itself where they are in it; None for none.
        notes: takes what is left out, and which pictures without a sequence tell no usable time.

    Raises:
        DataError: not such a data set, or without pictures; a label that differs from a positive one only in writing.
    """
    notes = notes or PictureNotes()
    pictures = _read(data, positive, rule, zone, notes)
    check_labels(((picture.label, f"{data}: {picture.file}") for picture in pictures), positive)
    grouped = with_sequences(pictures, rule, zone, notes.untimed)
    return grouped if boxes is None else with_boxes(grouped, boxes)


def _read(
    data: Path, positive: Sequence[str], rule: BurstRule, zone: tzinfo, notes: PictureNotes
) -> list[LabelledPicture]:
    if is_camtrap_dp(data):
        return read_camtrap_dp(data, positive, zone, rule, notes)
    if data.is_dir():
        return _read_folders(data, notes)
    return read_coco(data, positive, notes) if data.suffix.lower() == ".json" else read_labels(data, notes)


def _read_folders(data: Path, notes: PictureNotes) -> list[LabelledPicture]:
    """The pictures below a folder for each label, sorted by name; those beside these folders have no label."""
    folders = list(folders_below(data, notes.cannot_list, notes.leave_out))
    paths = sorted(path for folder in folders for path in folder.iterdir() if is_picture(path) and path.is_file())
    names = [path.relative_to(data) for path in paths]
    found = [LabelledPicture(name.as_posix(), data / name, name.parts[0]) for name in names if len(name.parts) > 1]
    notes.left_out[LeftOut.UNLABELLED] += len(names) - len(found)
    if not found:
        others = in_words(notes.left_out)
        why = f" (left out: {others})" if others else ""
        told = "; ".join([f"{data}: no pictures{why}", *notes.unreadable])
        raise DataError(f"{told}; expected a folder for each label with pictures in it, or a CSV")
    return found
