"""`uncia-train fit`: its arguments, its output, and the run that it writes."""

import argparse
from pathlib import Path

from uncia_contract.cli.arguments import amount, share
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_contract.runs.run_folder import Run
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


def add_fit(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=DATA_HELP)
    add("--positive", action="append", required=True, metavar="LABEL", help="a label to find; repeatable")
    add("--backbone-dir", type=Path, required=True, metavar="DIR", help="folder of uncia-convert backbone")
    add("--out", type=Path, required=True, metavar="RUN_DIR", help="folder to write")
    add("--name", help="name of the bundle (made from the labels)")
    add("--split", choices=("location", "source", "sequence"), default="location",
        help="what is kept in one fold when the penalty is chosen (location; source: also all negatives of a "
        "source)")  # fmt: skip
    add_trainer(command)
    aim = command.add_mutually_exclusive_group()
    aim.add_argument(
        "--target-recall", type=share, metavar="R", help="choose the threshold with this recall of sequences (0.95)"
    )
    aim.add_argument(
        "--max-false-alarms-per-day",
        type=amount,
        metavar="F",
        help="choose the threshold with at most so many false alarms of a trap a day",
    )
    add("--sources", type=Path, metavar="JSON", help="licence, attribution and doubts of each source")
    add_reading(command)
    command.set_defaults(run=run_fit)


def run_fit(arguments: argparse.Namespace) -> int:
    """Fit a head, write the run, print its held-out figures, and return the exit code."""
    from uncia_contract.datasets.positive_labels import positive_labels
    from uncia_training.fitting.fit import FitSettings, fit_to_folder
    from uncia_training.fitting.thresholds import TARGET_RECALL
    from uncia_training.run_folder import read_sources

    check_trainer(arguments)
    settings = FitSettings(
        positive=positive_labels(arguments.positive),
        cache=arguments.cache or arguments.out.parent / "cache",
        split=arguments.split,
        seed=arguments.seed,
        prevalence=arguments.prevalence,
        name=arguments.name,
        target_recall=TARGET_RECALL if arguments.target_recall is None else arguments.target_recall,
        false_alarms_per_day=arguments.max_false_alarms_per_day,
    )
    notes = PictureNotes()
    pictures = read_data_set(arguments, settings.positive, notes)
    sources = read_sources(arguments.sources)
    try:
        with progress_bars() as progress:
            run, learning = fit_to_folder(pictures, arguments.backbone_dir, settings, arguments.out, sources, progress)
    except KeyboardInterrupt:
        return interrupted(f"the features computed so far are kept in {settings.cache}")
    print_warnings(learning.warnings, [(failure.file, failure.reason) for failure in learning.failures])
    print_run(run, arguments.out)
    summed = notes.sum_of(len(pictures), learning.failed, learning.left_out(pictures, learning=True))
    return print_sum(summed, notes)


def print_run(run: Run, out: Path) -> None:
    """Print the penalty, the held-out figures, the notes, and the next command."""
    print(f"penalty C = {run.training['penalty']['c']:.3g}; figures are {run.training['figures']}:")
    for name, figures in run.metrics.items():
        print(f"  {name}: {figures_line(figures)}")
    for note in run.notes:
        print(f"note: {note}")
    print(f"run: {out}; next: uncia-convert bundle {out} --out {run.name}.uncia")


def figures_line(figures: dict[str, object]) -> str:
    """A line with the number of pictures or sequences, and their figures with intervals."""

    def text(name: str) -> str:
        value, spread = figures.get(name), figures.get(f"{name}_interval")
        if not isinstance(value, float):
            return "undefined (only one class)"
        return f"{value:.3f}" + (f" ({spread[0]:.3f} to {spread[1]:.3f})" if isinstance(spread, list | tuple) else "")

    return f"n {figures['n']}, " + ", ".join(
        f"{name.replace('_', ' ')} {text(name)}" for name in ("accuracy", "roc_auc", "average_precision")
    )
