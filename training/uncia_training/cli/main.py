"""`uncia-train`: reads the command line, trains or evaluates, exits.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from uncia_contract.cli.command_line import program, run_command
from uncia_contract.errors import DataError, StorageError
from uncia_contract.model.bundle import read_bundle
from uncia_training.cli.compare import add_compare, run_compare
from uncia_training.cli.features import add_features, run_features
from uncia_training.cli.fit_parquet import add_fit_parquet, run_fit_parquet
from uncia_training.cli.score import add_score, run_score

EXAMPLES = """examples:
  uncia-train fit --data labels.csv --positive snow_leopard --backbone-dir runs/backbone --out runs/head
  uncia-train compare --data labels.csv --positive snow_leopard --backbone efficientnet-lite0 --out runs/compare
  uncia-train features --data labels.csv --backbone-dir runs/backbone --out runs/features.parquet
  uncia-train fit-parquet runs/features.parquet --positive snow_leopard --c 0.01 --out runs/head.npz
  uncia-train score survey2026 --bundle my.uncia --out runs/survey2026
  uncia-train evaluate --bundle my.uncia --data labels.csv --json figures.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program("uncia-train", "The workstation: fits heads and tells how good they are.", EXAMPLES)
    _add_fit(add("fit", "fit and calibrate a head on a quantized backbone's features"))
    _add_evaluate(add("evaluate", "score labelled pictures with a bundle, as the trap would"))
    compare = add("compare", "train the seed's systems and ours on one data set and compare them")
    add_compare(compare)
    compare.set_defaults(run=lambda arguments: run_compare(arguments, _bars, _teller))
    features = add("features", "features of many pictures as Parquet, resumable")
    add_features(features)
    features.set_defaults(run=lambda arguments: run_features(arguments, _bars, _teller))
    fit_parquet = add("fit-parquet", "fit a head on features in Parquet, with scikit-learn or Spark ML")
    add_fit_parquet(fit_parquet)
    fit_parquet.set_defaults(run=run_fit_parquet)
    score = add("score", "sort an archive of pictures with a bundle: the trap's code, resumable")
    add_score(score)
    score.set_defaults(run=lambda arguments: run_score(arguments, _bars, _teller))
    return parser


def _add_fit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="CSV", help="labelled pictures (file,label,...)")
    command.add_argument("--positive", action="append", required=True, metavar="LABEL", help="what to find; repeatable")
    command.add_argument("--backbone-dir", type=Path, required=True, metavar="DIR", help="of uncia-convert backbone")
    command.add_argument("--out", type=Path, required=True, metavar="RUN_DIR", help="where the run is left")
    command.add_argument("--name", default="snow-leopard", help="of the bundle to be (snow-leopard)")
    command.add_argument("--seed", type=int, default=0, help="of folds and training views (0)")
    command.add_argument("--sources", type=Path, metavar="JSON", help="licence, attribution and doubts of each source")
    command.set_defaults(run=_fit)


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bundle", type=Path, required=True, metavar="FILE", help="the bundle")
    command.add_argument("--data", type=Path, required=True, metavar="CSV_OR_FOLDER", help="labelled pictures")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    command.set_defaults(run=_evaluate)


def _fit(arguments: argparse.Namespace) -> int:
    from uncia_training.datasets.readers import positive_labels, read_data
    from uncia_training.fitting.fit import FitSettings, fit_to_folder
    from uncia_training.run_folder import read_sources

    if arguments.seed < 0:
        raise DataError(f"--seed {arguments.seed}: expected 0 or more")
    settings = FitSettings(positive_labels(arguments.positive), arguments.name, arguments.seed)
    pictures, sources = read_data(arguments.data, arguments.positive), read_sources(arguments.sources)
    with _bars() as bars:
        fitted = fit_to_folder(pictures, arguments.backbone_dir, settings, arguments.out, sources, _teller(bars))
    for failure in fitted.failures:
        print(f"{failure.file}: {failure.reason}; left out", file=sys.stderr)
    print(
        f"penalty C = {fitted.run.training['penalty']['c']}; held-out figures (duplicates and sources kept together):"
    )
    for name, figures in fitted.run.metrics.items():
        print(f"  {name}: {_line(figures)}")
    for note in fitted.run.notes:
        print(f"note: {note}")
    print(f"run: {arguments.out}; next: uncia-convert bundle {arguments.out} --out {settings.name}.uncia")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from uncia_training.archive.evaluate import Evaluator
    from uncia_training.datasets.readers import read_data

    evaluator = Evaluator(read_bundle(arguments.bundle), os.cpu_count() or 1)
    pictures = read_data(arguments.data)
    with _bars() as bars:
        report = evaluator.evaluate(pictures, _teller(bars))
    if arguments.json:
        _write(arguments.json, json.dumps(report, indent=1) + "\n")
    for name in ("images", "sequences"):
        print(f"{name}: {_line(report[name])}")
    for failure in report["failures"]:
        print(f"{failure['file']}: {failure['reason']}; left out", file=sys.stderr)
    return 0


def _line(figures: dict[str, object]) -> str:
    def text(name: str) -> str:
        value, spread = figures.get(name), figures.get(f"{name}_interval")
        if not isinstance(value, float):
            return "not to be had from one class"
        return f"{value:.3f}" + (f" ({spread[0]:.3f} to {spread[1]:.3f})" if isinstance(spread, list | tuple) else "")

    return f"n {figures['n']}, " + ", ".join(
        f"{name.replace('_', ' ')} {text(name)}" for name in ("accuracy", "roc_auc", "average_precision")
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error


class Rate(ProgressColumn):
    """How many a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Such as `41.3/s`; nothing in the first second, when it would be anything."""
        speed = task.finished_speed or (task.speed if (task.elapsed or 0) > 1 else None)
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


def _bars() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


def _teller(bars: Progress) -> Callable[[str, int, int], None]:
    tasks = {}

    def tell(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total or None)
        bars.update(tasks[step], completed=done, total=total or None)

    return tell
