"""`uncia-train compare`: its arguments, its output, and the files that it writes."""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from uncia_backbones.quantization.calibration import PICTURES
from uncia_contract.cli.arguments import whole
from uncia_contract.errors import DataError, StorageError
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.cli.data_set import (
    DATA_HELP,
    add_reading,
    add_trainer,
    check_trainer,
    print_sum,
    print_warnings,
    read_data_set,
)
from uncia_training.cli.progress import interrupted, progress_bars


def add_compare(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=DATA_HELP)
    add("--positive", action="append", required=True, metavar="LABEL", help="a label to find; repeatable")
    add("--backbone", default="efficientnet-lite0", metavar="NAME", help="the network (efficientnet-lite0)")
    add("--cut", metavar="STAGE", help="cut the network after this stage, such as stage3")
    add("--weights", metavar="FILE", help="the network's weights, or random:SEED for tests")
    add(
        "--calibration-pictures",
        type=whole(1),
        default=PICTURES,
        metavar="N",
        help="calibration pictures for the integer network (%(default)s)",
    )
    add("--system", action="append", metavar="NAME", help="a system's name, or all (default); repeatable")
    add("--out", type=Path, required=True, metavar="RUN_DIR", help="folder for report.html, report.json and scores")
    add("--split", choices=("location", "source", "sequence", "random"), default="location",
        help="what is kept in one fold (location; source: also all negatives of a source); random also prints the "
        "figures of a split with leakage")  # fmt: skip
    add("--repeats", type=int, default=2, metavar="N", help="how often the data are split into folds (2)")
    add_trainer(command)
    add("--negatives-per-day", type=float, metavar="N", help="negative sequences that a trap records a day")
    add("--sources", type=Path, metavar="JSON", help="licence, attribution and doubts of each source, for bundles")
    add("--never-learnt", type=Path, action="append", metavar="PATH",
        help="pictures not used for training, on which frames are compared with sequences; repeatable")  # fmt: skip
    add_reading(command)
    command.set_defaults(run=run_compare)


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare the systems, write the report, print the figures, and return the exit code."""
    from uncia_contract.datasets.positive_labels import positive_labels
    from uncia_training.comparison.compare import CompareSettings, compare
    from uncia_training.comparison.system_runs import leave_runs
    from uncia_training.features.networks import NetworkChoice
    from uncia_training.report.page import page
    from uncia_training.report.score_files import write_scores
    from uncia_training.report.writer import report
    from uncia_training.run_folder import read_sources

    _check(arguments)
    settings = CompareSettings(
        positive=positive_labels(arguments.positive),
        network=NetworkChoice(arguments.backbone, arguments.weights, arguments.cut, arguments.calibration_pictures),
        cache=arguments.cache or arguments.out.parent / "cache",
        systems=tuple(arguments.system or ["all"]),
        split=arguments.split,
        repeats=arguments.repeats,
        seed=arguments.seed,
        prevalence=arguments.prevalence,
    )
    notes = PictureNotes()
    pictures = _pictures(arguments, settings.positive, notes)
    sources = read_sources(arguments.sources)
    try:
        with progress_bars() as progress:
            comparison = compare(pictures, settings, progress)
            progress("report", 0, 0)
            content = report(comparison, arguments.negatives_per_day)
            summed = notes.sum_of(len(pictures), comparison.failed, comparison.left_out(pictures))
            content["pictures"] = summed.as_json()
            _write(arguments.out, json.dumps(content, indent=1) + "\n", page(content, comparison))
            write_scores(arguments.out, comparison)
            left = leave_runs(arguments.out, comparison, content, sources, partial(progress, "heads for bundles"))
    except KeyboardInterrupt:
        return interrupted(f"the features and fits computed so far are kept in {settings.cache}")
    _print(content, arguments.out, left)
    return print_sum(summed, notes)


def _pictures(arguments: argparse.Namespace, positive: Sequence[str], notes: PictureNotes) -> list[LabelledPicture]:
    """The pictures of `--data`, and those of `--never-learnt`."""
    from uncia_contract.datasets.reader import read_data
    from uncia_training.datasets.never_learnt import beside

    pictures = read_data_set(arguments, positive, notes)
    for path in arguments.never_learnt or ():
        pictures = beside(pictures, read_data(path, positive, zone=arguments.utc_offset, notes=notes))
    return pictures


def _check(arguments: argparse.Namespace) -> None:
    if arguments.repeats < 1:
        raise DataError(f"--repeats {arguments.repeats}: expected 1 or more")
    check_trainer(arguments)
    if arguments.negatives_per_day is not None and not arguments.negatives_per_day >= 0:
        raise DataError(f"--negatives-per-day {arguments.negatives_per_day}: expected 0 or more")


def _write(folder: Path, content: str, html: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.html").write_text(html, encoding="utf-8")
        (folder / "report.json").write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder}: the report cannot be written ({error.strerror})") from error


def _print(content: dict[str, Any], out: Path, left: Sequence[str]) -> None:
    from uncia_training.comparison.systems import OURS
    from uncia_training.report.ranking import ranking_lines
    from uncia_training.report.tables import figure
    from uncia_training.report.writer import line

    print_warnings(content["warnings"], [(failure["file"], failure["reason"]) for failure in content["failures"]])
    for system in content["systems"]:
        print(f"{system['name']}:")
        print(f"  frames     {line(system['frames'])}")
        print(
            f"  sequences  {line(system['sequences'])}, "
            f"false alarms a day {system['sequences']['false_alarms_per_day']:.2f}"
        )
        for label, found in system["labels"].items() if len(system["labels"]) > 1 else ():
            named = found["sequences"]
            print(f"  {label}: precision {figure(named, 'precision')}, recall {figure(named, 'recall')} (sequences)")
        if "int8" in system:
            print(f"  on int8    {line(system['int8']['frames'])} (as a bundle on the trap)")
        if "random_split" in system:
            print(f"  leaking    {line(system['random_split']['frames'])} (random split, with leakage)")
    for sentence in ranking_lines(content):
        print(sentence)
    print(f"report: {out / 'report.html'}")
    if left:
        print(f"next: uncia-convert bundle {out} --system {left[-1] if OURS not in left else OURS} --out FILE")
