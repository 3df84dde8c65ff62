"""`uncia-train evaluate`: its arguments, and what it prints and leaves."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from uncia_contract.files import storage_errors
from uncia_contract.model.bundle import read_bundle
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_training.cli.data_set import DATA_HELP, add_reading, read_data_set
from uncia_training.cli.fit import figures_line
from uncia_training.cli.progress import progress_bars
from uncia_training.fitting.threshold_table import table_lines
from uncia_training.report.tables import figure


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("--bundle", type=Path, required=True, metavar="FILE", help="the bundle")
    add("--data", type=Path, required=True, metavar="PATH", help=DATA_HELP)
    add_reading(command)
    add("--json", type=Path, metavar="FILE", help="write the whole report there")
    command.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Scores, writes the report, prints the figures; the exit code."""
    from uncia_training.archive.evaluate import Evaluator

    bundle = read_bundle(arguments.bundle)
    evaluator, rules = Evaluator(bundle, os.cpu_count() or 1), bundle.manifest
    notes = PictureNotes()
    pictures = read_data_set(arguments, rules.positive_labels, notes, rules.burst_rule)
    with progress_bars() as progress:
        report = evaluator.evaluate(pictures, progress)
    summed = notes.sum_of(len(pictures), (failure["file"] for failure in report["failures"]))
    report["pictures"] = summed.as_json()
    if arguments.json:
        with storage_errors(arguments.json):
            arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for failure in report["failures"]:
        print(f"{failure['file']}: {failure['reason']}", file=sys.stderr)
    for name in ("images", "sequences"):
        print(f"{name}: {figures_line(report[name])}")
    _print_sequences(report)
    print(*table_lines(report["thresholds"]), sep="\n")
    if report["trap_days"] is None:
        print("false alarms a day are not known: not every picture names its location, or a location has no times")
    print(*summed.lines(), sep="\n")
    return 0


def _print_sequences(report: dict[str, Any]) -> None:
    """What is found and what is taken for it, beside what always saying no would reach; by light and by label."""
    whole = report["sequences"]
    print(
        f"  recall {figure(whole, 'recall')}, false alarms {whole['false_alarms']} of "
        f"{whole['n'] - whole['positives']} ({figure(whole, 'false_positive_rate')}) at {whole['threshold']}; "
        f"always no is right in {figure(whole, 'always_no_accuracy')}"
    )
    for light, one in report["light"].items():
        print(
            f"  {light}: n {one['n']}, recall {figure(one, 'recall')}, false alarms {one['false_alarms']} of "
            f"{one['n'] - one['positives']}"
        )
    for label, one in report["labels"].items():
        print(
            f"  {label}: {one['called_positive']} of {one['n']} called positive ({figure(one, 'share')}){_named(one)}"
        )


def _named(one: dict[str, Any]) -> str:
    """What a label was called, where there are several positive ones, and of a positive one how well it is told."""
    if len(one["called"]) == 2:
        return ""
    told = ", ".join(f"{label} {count}" for label, count in one["called"].items() if count)
    figures = f"; precision {figure(one, 'precision')}, recall {figure(one, 'recall')}" if one["positive"] else ""
    return f": {told}{figures}"
