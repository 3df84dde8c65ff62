"""Arguments that several commands share for reading a data set and fitting heads, and the reading itself."""

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
    "use boxes around animals as regions: those of --data, or of FILE (CSV file,left,top,right,bottom; COCO; DP)"
)
_IN_DATA = Path("in --data")


def add_reading(command: argparse.ArgumentParser) -> None:
    """Add the arguments for reading the pictures of `--data`."""
    command.add_argument("--utc-offset", type=zone, default=UTC, metavar="ZONE", help=ZONE_HELP)
    command.add_argument("--boxes", nargs="?", type=Path, const=_IN_DATA, metavar="FILE", help=BOXES_HELP)


def add_trainer(command: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that fits heads on pictures."""
    add = command.add_argument
    add("--seed", type=int, default=0, help="seed of the folds (0)")
    add(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="share of positives in the field, as 0.05: weights the classes",
    )
    add("--cache", type=Path, metavar="DIR", help="folder in which features are kept (RUN_DIR/../cache)")


def check_trainer(arguments: argparse.Namespace) -> None:
    """Check seed and prevalence; raises DataError if one is out of range."""
    if arguments.seed < 0:
        raise DataError(f"--seed {arguments.seed}: expected 0 or more")
    if arguments.prevalence is not None and not 0 < arguments.prevalence < 1:
        raise DataError(f"--prevalence {arguments.prevalence}: expected a share between 0 and 1, such as 0.05")


def print_warnings(warnings: Sequence[str], failures: Sequence[tuple[str, str]]) -> None:
    """Print the warnings, and each picture that cannot be used with its reason, unless a warning names it already."""
    from uncia_training.fitting.learning_set import MISSING

    warned = {warning.partition(MISSING)[0] for warning in warnings}
    lines = [f"warning: {warning}" for warning in warnings]
    lines += [f"{file}: {reason}" for file, reason in failures if file not in warned]
    for line in lines:
        print(line, file=sys.stderr)


def print_sum(summed: PictureSum, notes: PictureNotes) -> int:
    """Print the folders that could not be listed, then the counts; return 1 if there are such folders, else 0."""
    for line in notes.unreadable:
        print(line, file=sys.stderr)
    print(*summed.lines(), sep="\n")
    return 1 if notes.unreadable else 0


def read_data_set(
    arguments: argparse.Namespace, positive: Sequence[str], notes: PictureNotes, rule: BurstRule | None = None
) -> list[LabelledPicture]:
    """The pictures of `--data`; `rule` is the burst rule (None: the default), `notes` receives what is left out.

    Raises:
        DataError: the data set cannot be read or has no pictures, or its labels or boxes are wrong.
    """
    from uncia_contract.datasets.reader import read_data

    boxes = arguments.data if arguments.boxes is _IN_DATA else arguments.boxes
    return read_data(arguments.data, positive, rule or BurstRule(), arguments.utc_offset, boxes, notes)
