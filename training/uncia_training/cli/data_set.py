"""The arguments with which commands read a data set and fit heads on it, and the pictures that they name."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.cli.arguments import ZONE_HELP, zone
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_sum import PictureNotes, PictureSum
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


def add_trainer(command: argparse.ArgumentParser) -> None:
    """Adds what every command that fits heads on pictures takes alike."""
    add = command.add_argument
    add("--seed", type=int, default=0, help="of the folds (0)")
    add("--prevalence", type=float, metavar="SHARE", help="of positives in the field, as 0.05: weighs the classes")
    add("--cache", type=Path, metavar="DIR", help="where features are kept (RUN_DIR/../cache)")


def check_trainer(arguments: argparse.Namespace) -> None:
    """Refuses a seed or a prevalence that cannot be meant."""
    if arguments.seed < 0:
        raise DataError(f"--seed {arguments.seed}: expected 0 or more")
    if arguments.prevalence is not None and not 0 < arguments.prevalence < 1:
        raise DataError(f"--prevalence {arguments.prevalence}: expected a share between 0 and 1, such as 0.05")


def print_warnings(warnings: Sequence[str], failures: Sequence[tuple[str, str]]) -> None:
    """Prints warnings, and each picture that cannot be used with its reason, where no warning names it."""
    from uncia_training.fitting.learning_set import MISSING

    warned = {warning.partition(MISSING)[0] for warning in warnings}
    lines = [f"warning: {warning}" for warning in warnings]
    lines += [f"{file}: {reason}" for file, reason in failures if file not in warned]
    for line in lines:
        print(line, file=sys.stderr)


def print_sum(summed: PictureSum, notes: PictureNotes) -> int:
    """Names the folders that could not be listed, then prints the sum; the exit code, 1 where there are such."""
    for line in notes.unreadable:
        print(line, file=sys.stderr)
    print(*summed.lines(), sep="\n")
    return 1 if notes.unreadable else 0


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
