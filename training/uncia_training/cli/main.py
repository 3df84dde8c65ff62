"""The command `uncia-train`: reads the command line and runs one of its commands.

Exit codes: 0 done; 1 done, but a folder or picture could not be read; 2 a mistake in input, configuration or
environment, printed in one line.
"""

import argparse
from collections.abc import Sequence

from uncia_contract.cli.command_line import program, run_command
from uncia_training.cli.compare import add_compare
from uncia_training.cli.evaluate import add_evaluate
from uncia_training.cli.features import add_features
from uncia_training.cli.fit import add_fit
from uncia_training.cli.fit_parquet import add_fit_parquet
from uncia_training.cli.score import add_score

EXAMPLES = """examples:
  uncia-train fit --data labels.csv --positive snow_leopard --backbone-dir runs/backbone --out runs/head
  uncia-train compare --data labels.csv --positive snow_leopard --backbone efficientnet-lite0 --out runs/compare
  uncia-train compare --data labels.csv --positive fox --never-learnt survey.csv --out runs/study
  uncia-train features --data labels.csv --backbone-dir runs/backbone --out runs/features.parquet
  uncia-train fit-parquet runs/features.parquet --positive snow_leopard --c 0.01 --out runs/head.npz
  uncia-train fit-parquet f.parquet --positive fox --data labels.csv --backbone-dir runs/backbone --out runs/head
  uncia-train score survey2026 --bundle my.uncia --out runs/survey2026
  uncia-train evaluate --bundle my.uncia --data labels.csv --json figures.json
"""


COMMANDS = (
    ("fit", add_fit, "fit and calibrate a head on a quantized backbone's features"),
    ("evaluate", add_evaluate, "score labelled pictures with a bundle, as a trap does"),
    ("compare", add_compare, "train several systems on one data set and compare them"),
    ("features", add_features, "write the features of many pictures as Parquet (can be resumed)"),
    ("fit-parquet", add_fit_parquet, "fit a head on features in Parquet, with scikit-learn or Spark ML"),
    ("score", add_score, "score an archive of pictures with a bundle, as a trap does (can be resumed)"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program("uncia-train", "Fits heads, evaluates bundles, and scores archives of pictures.", EXAMPLES)
    for name, add_arguments, text in COMMANDS:
        add_arguments(add(name, text))
    return parser
