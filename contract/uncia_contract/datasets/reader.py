"""Labelled pictures from whatever a data set comes as.

Decides which reader takes a path: a folder with `datapackage.json` is Camtrap DP, another folder holds one
for each label; `.json` is COCO Camera Traps or a Camtrap DP's `datapackage.json`; all else is our CSV.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.camtrap_labels import DATAPACKAGE, read_camtrap_dp
from uncia_contract.datasets.coco_labels import read_coco
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.datasets.folder_labels import read_folders
from uncia_contract.datasets.positive_labels import check_labels
from uncia_contract.datasets.timed_sequences import with_sequences
from uncia_contract.runs.labels import LabelledPicture

_RULE = BurstRule()


def read_data(
    data: Path, positive: Sequence[str] = (), rule: BurstRule = _RULE, zone: tzinfo = UTC
) -> list[LabelledPicture]:
    """Labelled pictures of a data set; pictures without a sequence get one where their times show it.

    Args:
        data: see the module.
        positive: labels that win where a picture has several.
        rule: when a burst ends.
        zone: of times that name no offset.

    Raises:
        DataError: not such a data set, or without pictures; a label that differs from a positive one only in writing.
    """
    pictures = _read(data, positive)
    check_labels(((picture.label, f"{data}: {picture.file}") for picture in pictures), positive)
    return with_sequences(pictures, rule, zone)


def _read(data: Path, positive: Sequence[str]) -> list[LabelledPicture]:
    if data.is_dir():
        return read_camtrap_dp(data, positive) if (data / DATAPACKAGE).exists() else read_folders(data)
    if data.name == DATAPACKAGE:
        return read_camtrap_dp(data.parent, positive)
    return read_coco(data, positive) if data.suffix.lower() == ".json" else read_labels(data)
