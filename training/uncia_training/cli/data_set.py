"""The arguments with which commands read a data set, and the pictures that they name."""

import argparse
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.cli.arguments import ZONE_HELP, zone
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture

DATA_HELP = "labelled pictures: CSV, folder per label, COCO Camera Traps or Camtrap DP"
BOXES_HELP = (
    "boxes around animals serve as regions: those of --data, or of FILE (CSV file,left,top,right,bottom; COCO; DP)"
)
_IN_DATA = Path("in --data")


def add_reading(command: argparse.ArgumentParser) -> None:
    """Adds what there is to say of the pictures in `--data`."""
    command.add_argument("--utc-offset", type=zone, default=UTC, metavar="ZONE", help=ZONE_HELP)
    command.add_argument("--boxes", nargs="?", type=Path, const=_IN_DATA, metavar="FILE", help=BOXES_HELP)


def read_data_set(
    arguments: argparse.Namespace, positive: Sequence[str], notes: PictureNotes, rule: BurstRule | None = None
) -> list[LabelledPicture]:
    """The pictures in `--data`, by that burst rule (the contract's where None); `notes` takes what is left out.

    Raises:
        DataError: not a data set, or without pictures; labels or boxes that cannot be meant.
    """
    from uncia_contract.datasets.reader import read_data

    boxes = arguments.data if arguments.boxes is _IN_DATA else arguments.boxes
    return read_data(arguments.data, positive, rule or BurstRule(), arguments.utc_offset, boxes, notes)
