"""`uncia-train fit`: its arguments, and what it prints and leaves."""

import argparse
import sys
from pathlib import Path

from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_training.cli.data_set import DATA_HELP, add_reading, read_data_set
from uncia_training.cli.progress import progress_bars


def add_fit(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help=DATA_HELP)
    add("--positive", action="append", required=True, metavar="LABEL", help="what to find; repeatable")
    add("--backbone-dir", type=Path, required=True, metavar="DIR", help="of uncia-convert backbone")
    add("--out", type=Path, required=True, metavar="RUN_DIR", help="where the run is left")
    add("--name", default="snow-leopard", help="of the bundle to be (snow-leopard)")
    add("--seed", type=int, default=0, help="of folds and training views (0)")
    add("--sources", type=Path, metavar="JSON", help="licence, attribution and doubts of each source")
    add_reading(command)
    command.set_defaults(run=run_fit)


def run_fit(arguments: argparse.Namespace) -> int:
    """Fits, writes, prints the held-out figures; the exit code."""
    from uncia_contract.datasets.positive_labels import positive_labels
    from uncia_training.fitting.fit import FitSettings, fit_to_folder
    from uncia_training.run_folder import read_sources

    if arguments.seed < 0:
        raise DataError(f"--seed {arguments.seed}: expected 0 or more")
    settings = FitSettings(positive_labels(arguments.positive), arguments.name, arguments.seed)
    notes = PictureNotes()
    pictures = read_data_set(arguments, settings.positive, notes)
    sources = read_sources(arguments.sources)
    with progress_bars() as progress:
        fitted = fit_to_folder(pictures, arguments.backbone_dir, settings, arguments.out, sources, progress)
    for failure in fitted.failures:
        print(f"{failure.file}: {failure.reason}", file=sys.stderr)
    print(
        f"penalty C = {fitted.run.training['penalty']['c']}; held-out figures (duplicates and sources kept together):"
    )
    for name, figures in fitted.run.metrics.items():
        print(f"  {name}: {figures_line(figures)}")
    for note in fitted.run.notes:
        print(f"note: {note}")
    print(f"run: {arguments.out}; next: uncia-convert bundle {arguments.out} --out {settings.name}.uncia")
    test = {LeftOut.NEVER_LEARNT: [picture.file for picture in pictures if picture.never_learnt]}
    print(*notes.sum_of(len(pictures), (failure.file for failure in fitted.failures), test).lines(), sep="\n")
    return 0


def figures_line(figures: dict[str, object]) -> str:
    """How many pictures or sequences, and their figures with intervals."""

    def text(name: str) -> str:
        value, spread = figures.get(name), figures.get(f"{name}_interval")
        if not isinstance(value, float):
            return "not to be had from one class"
        return f"{value:.3f}" + (f" ({spread[0]:.3f} to {spread[1]:.3f})" if isinstance(spread, list | tuple) else "")

    return f"n {figures['n']}, " + ", ".join(
        f"{name.replace('_', ' ')} {text(name)}" for name in ("accuracy", "roc_auc", "average_precision")
    )
