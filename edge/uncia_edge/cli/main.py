"""The command `uncia-trap`: reads the command line and runs one of its commands, each in a module of its own.

Exit codes: 0 done; 1 `score` could not read a file or folder and did the rest, or a check of `doctor` failed; 2 an
error in input, configuration or surroundings, reported in one line; 3 to 5 why a `pass` is not done (`one_pass`).
"""

import argparse
import logging
from collections.abc import Sequence

from uncia_contract.cli.command_line import program, run_command
from uncia_edge.cli.bench import add_bench
from uncia_edge.cli.doctor import add_doctor
from uncia_edge.cli.log import add_log
from uncia_edge.cli.one_pass import add_pass
from uncia_edge.cli.run import add_run
from uncia_edge.cli.score import add_score
from uncia_edge.cli.setup import add_setup
from uncia_edge.cli.trial import add_try

EXAMPLES = """examples:
  uncia-trap setup --from uncia-ridge-01          make this machine a trap; asks for what no flag gives
  uncia-trap doctor --config trap.toml            check every part of this trap before you leave it
  uncia-trap run --config trap.toml               observe, score, deliver; ends after a recording or with Ctrl-C
  uncia-trap run --config trap.toml --wait-s 300  wait five minutes for deliveries after a recording
  uncia-trap pass --config trap.toml --for-s 300  one pass over the watched folder, for a Pi on a timer
  uncia-trap try --config trap.toml               send the next burst whatever its verdict, to test the camera
  uncia-trap log --config trap.toml --last 50     why each burst was kept or not
  uncia-trap bench B.uncia                        time of a frame on this machine, and energy of a day
  uncia-trap score /media/card --bundle B.uncia --json card.json --csv card.csv
                                                  score a whole SD card
  uncia-trap score IMG_1.JPG IMG_2.JPG --bundle B.uncia --json two.json --explain overlays
                                                  score two pictures; show which parts raised the score
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    return run_command(_parser(), argv, logging.INFO)


def _parser() -> argparse.ArgumentParser:
    parser, add = program(
        "uncia-trap",
        "The trap: decides which bursts to send, and sends them until the base station has stored them.",
        EXAMPLES,
    )
    add_setup(add("setup", "make this machine a trap"))
    add_run(add("run", "observe, score, deliver"))
    add_pass(add("pass", "score and deliver what is in the watched folder, then end: for a Pi that runs for minutes"))
    add_try(add("try", "send the next burst as a test, whatever its verdict"))
    add_log(add("log", "show why each burst was kept or not"))
    add_score(add("score", "score a whole card, folders or files"))
    add_doctor(add("doctor", "check every part of this trap; exit code 1 if one failed"))
    add_bench(add("bench", "measure the time of a frame on this machine; estimate the energy of a day"))
    return parser
