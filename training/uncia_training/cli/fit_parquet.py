"""`uncia-train fit-parquet`: its arguments, its output, and the head or run that it writes."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uncia_contract.errors import DataError, StorageError
from uncia_contract.model.heads import head_to_bytes
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.cli.data_set import add_reading, print_sum, print_warnings, read_data_set
from uncia_training.cli.fit import print_run
from uncia_training.spark.session import add_spark

if TYPE_CHECKING:
    from uncia_training.fitting.learning_set import LearningSet


def add_fit_parquet(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add("features", metavar="PARQUET", help="file of uncia-train features, with labels")
    add("--positive", action="append", required=True, metavar="LABEL", help="a label to find; repeatable")
    add("--c", type=float, default=0.01, metavar="C", help="inverse strength of the penalty (0.01)")
    add("--engine", choices=("local", "spark"), default="local", help="scikit-learn, or Spark ML (local)")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="file for the head (not calibrated), or folder for a run",
    )
    add("--backbone-dir", type=Path, metavar="DIR", help="folder of the features' network; writes a run, as fit does")
    add("--data", type=Path, metavar="PATH", help="data set of the features' pictures, for a run")
    add("--name", help="name of the bundle (made from the labels)")
    add_reading(command)
    add_spark(command)
    command.set_defaults(run=run_fit_parquet)


def run_fit_parquet(arguments: argparse.Namespace) -> int:
    """Fit a head, write it or a run, print the result, and return the exit code."""
    from uncia_contract.datasets.positive_labels import positive_labels
    from uncia_training.fitting.logistic import Calibration, to_head
    from uncia_training.fitting.parquet_fit import classes_of, fit_parquet

    if not arguments.c > 0:
        raise DataError(f"--c {arguments.c}: expected more than 0")
    if (arguments.backbone_dir is None) != (arguments.data is None):
        raise DataError("--backbone-dir and --data: a run needs both; without them only a head is written")
    positive = positive_labels(arguments.positive)
    if arguments.engine == "local":
        linear, rows = fit_parquet(arguments.features, positive, arguments.c)
    else:
        from uncia_training.spark.fit import fit_spark
        from uncia_training.spark.session import spark

        with spark(arguments.master) as session:
            linear, rows = fit_spark(session, arguments.features, positive, arguments.c)
    if arguments.data is not None:
        return _leave_run(arguments, positive, linear)
    classes = classes_of(positive)
    head = to_head(linear, Calibration(1.0, np.zeros(len(classes))))
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_bytes(head_to_bytes(head))
    except OSError as error:
        raise StorageError(f"{arguments.out}: cannot be written ({error.strerror})") from error
    print(f"{', '.join(classes)}: fitted on {rows} rows of {head.features} features; not calibrated")
    print(f"  {arguments.out}")
    return 0


def _leave_run(arguments: argparse.Namespace, positive: tuple[str, ...], linear: Any) -> int:
    from uncia_training.fitting.fit import FitSettings
    from uncia_training.fitting.parquet_fit import fit_parquet_to_folder, without_features

    settings = FitSettings(positive=positive, cache=arguments.out, name=arguments.name)
    notes = PictureNotes()
    pictures = read_data_set(arguments, positive, notes)
    features, folder, c, out = arguments.features, arguments.backbone_dir, arguments.c, arguments.out
    run, learning = fit_parquet_to_folder(features, pictures, folder, settings, c, out, linear)
    failed = without_features(features)
    print_warnings((), list(failed.items()))
    print_run(run, out)
    return print_sum(notes.sum_of(len(pictures), *_unused(pictures, learning, failed)), notes)


def _unused(
    pictures: Sequence[LabelledPicture], learning: "LearningSet", failed: Mapping[str, str]
) -> tuple[set[str], dict[LeftOut, list[str]]]:
    """The files that failed, and those that were left out, by reason."""
    used = {picture.file for picture in learning.inspection.pictures}
    rest = [picture for picture in pictures if picture.file not in used | failed.keys()]
    return {picture.file for picture in pictures if picture.file in failed}, {
        LeftOut.NEVER_LEARNT: [picture.file for picture in rest if picture.never_learnt],
        LeftOut.NOT_NEEDED: [picture.file for picture in rest if not picture.never_learnt],
    }
