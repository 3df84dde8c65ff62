"""`uncia-train evaluate`: its arguments, its output, and the file that it writes."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from uncia_contract.files import storage_errors
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_training.cli.data_set import DATA_HELP, add_reading, print_sum, read_data_set
from uncia_training.cli.fit import figures_line
from uncia_training.cli.progress import progress_bars
from uncia_training.fitting.threshold_table import table_lines
from uncia_training.report.tables import figure


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add("--bundle", type=Path, required=True, metavar="FILE", help="the bundle")
    add("--data", type=Path, required=True, metavar="PATH", help=DATA_HELP)
    add_reading(command)
    add(
        "--against",
        type=Path,
        metavar="FILE",
        help="another bundle to compare with on the same sequences (paired differences)",
    )
    add("--json", type=Path, metavar="FILE", help="write the whole report to this file")
    command.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Score the pictures, write the report, print the figures, and return the exit code."""
    from uncia_training.archive.evaluate import Evaluator

    bundle = read_bundle(arguments.bundle)
    if arguments.against is not None:
        return _compare(arguments, bundle)
    evaluator, rules = Evaluator(bundle, os.cpu_count() or 1), bundle.manifest
    notes = PictureNotes()
    pictures = read_data_set(arguments, rules.positive_labels, notes, rules.burst_rule)
    with progress_bars() as progress:
        report = evaluator.evaluate(pictures, progress)
    summed = notes.sum_of(len(pictures), (failure["file"] for failure in report["failures"]))
    report["pictures"] = summed.as_json()
    _write(arguments.json, report)
    _name_failures(report)
    for name in ("images", "sequences"):
        print(f"{name}: {figures_line(report[name])}")
    _print_sequences(report)
    print(*table_lines(report["thresholds"]), sep="\n")
    if report["trap_days"] is None:
        print("false alarms a day are not known: not every picture names its location, or a location has no times")
    return print_sum(summed, notes)


def _name_failures(report: dict[str, Any]) -> None:
    for failure in report["failures"]:
        print(f"{failure['file']}: {failure['reason']}", file=sys.stderr)


def _write(path: Path | None, report: dict[str, Any]) -> None:
    if path is not None:
        with storage_errors(path):
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _compare(arguments: argparse.Namespace, old: Bundle) -> int:
    """Compare the bundle with that of `--against` on the same sequences; return the exit code."""
    from uncia_training.archive.bundle_pair import compare_bundles, compared

    new, notes = read_bundle(arguments.against), PictureNotes()
    pictures = read_data_set(arguments, old.manifest.positive_labels, notes, old.manifest.burst_rule)
    with progress_bars() as progress:
        report = compare_bundles(pictures, old, new, os.cpu_count() or 1, progress)
    used = {picture.file for picture in compared(pictures)}
    unused = {LeftOut.NOT_NEEDED: [picture.file for picture in pictures if picture.file not in used]}
    summed = notes.sum_of(len(pictures), (failure["file"] for failure in report["failures"]), unused)
    report["pictures"] = summed.as_json()
    _write(arguments.json, report)
    _name_failures(report)
    _print_pair(arguments, report)
    return print_sum(summed, notes)


def _print_pair(arguments: argparse.Namespace, report: dict[str, Any]) -> None:
    from uncia_training.archive.bundle_pair import NEW, OLD

    if not report["never_learnt_from"]:
        print("no row is of split test or tune: whether a bundle learnt from these pictures is not known")
    print(f"{report['sequences']} sequences by both bundles, {report['unreadable']} that cannot be read")
    shown = ("recall", "false_positive_rate", "roc_auc", "average_precision")
    for name, path in ((OLD, arguments.bundle), (NEW, arguments.against)):
        one = report[name]
        told = ", ".join(f"{key.replace('_', ' ')} {figure(one, key)}" for key in shown)
        print(f"{name} ({path.name}, at {one['threshold']:g}): {told}")
    differences = report["new_exceeds_by"]
    told = ", ".join(f"{key.replace('_', ' ')} {figure(differences, key, signed=True)}" for key in shown)
    print(f"new exceeds old by: {told}")
    for one in report["changed"]:
        shows = "shows it" if one["positive"] else "shows something else"
        print(f"  changed: {one['files'][0]} ({shows}): {one[OLD]:.3f} to {one[NEW]:.3f}")


def _print_sequences(report: dict[str, Any]) -> None:
    """Print recall and false alarms, the accuracy of always answering no, and the figures by light and by label."""
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
    """If there are several positive labels: how often each was given, and precision and recall of a positive one."""
    if len(one["called"]) == 2:
        return ""
    told = ", ".join(f"{label} {count}" for label, count in one["called"].items() if count)
    figures = f"; precision {figure(one, 'precision')}, recall {figure(one, 'recall')}" if one["positive"] else ""
    return f": {told}{figures}"
