"""Reads the labelled pictures of a data set in any of the known formats.

Decides the format of a path: a folder with `datapackage.json`, that file or a `.zip` is Camtrap DP; another folder
holds a folder for each label; another `.json` is COCO Camera Traps; any other file is a CSV of labels.
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
        data: the data set's path; the module's docstring lists the formats.
        positive: labels that have precedence where a picture has several.
        rule: the burst rule.
        zone: the zone of times without an offset.
        boxes: a file with boxes to use as regions, `data` itself if it holds them; None for no boxes.
        notes: receives the counts of what is left out, and the pictures without a sequence and a usable time.

    Raises:
        DataError: the data set cannot be read or has no pictures; a label differs from a positive one only in writing.
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
    """The pictures in the folders of labels, sorted by name; pictures beside these folders are left out."""
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
