"""`uncia-trap`: reads the command line and runs one command, a module each.

Exit codes: 0 done; 1 `score` could not list a folder, the rest is done; 2 a mistake in input, configuration or
surroundings, told in one line; 3 to 5 why a `pass` is not done (`one_pass`).
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
  uncia-trap setup --from uncia-ridge-01          make a trap of this machine; asks for what no flag gives
  uncia-trap doctor --config trap.toml            whether this trap can be left alone
  uncia-trap run --config trap.toml               observe, decide, deliver; ends with a recording, else with Ctrl-C
  uncia-trap run --config trap.toml --wait-s 300  give deliveries five minutes after a recording has ended
  uncia-trap pass --config trap.toml --for-s 300  one pass over the watched folder, for a timer that powers the Pi
  uncia-trap try --config trap.toml               the next burst is sent whatever its verdict: to aim the camera
  uncia-trap log --config trap.toml --last 50     why each burst was kept or not
  uncia-trap bench B.uncia                        what a frame costs on this machine
  uncia-trap score /media/card --bundle B.uncia --json card.json --csv card.csv
                                                  a whole SD card through the trap's code
  uncia-trap score IMG_1.JPG IMG_2.JPG --bundle B.uncia --json two.json --explain overlays
                                                  two pictures, and what in them spoke for the animal
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    return run_command(_parser(), argv, logging.INFO)


def _parser() -> argparse.ArgumentParser:
    parser, add = program(
        "uncia-trap",
        "The trap: decides which bursts are worth sending, and sends them until they have arrived.",
        EXAMPLES,
    )
    add_setup(add("setup", "make a trap of this machine"))
    add_run(add("run", "observe, decide, deliver"))
    add_pass(add("pass", "decide what lies there, deliver it, and leave: for a Pi that is powered for minutes"))
    add_try(add("try", "have the next burst sent as a test, whatever its verdict"))
    add_log(add("log", "why each burst was kept or not"))
    add_score(add("score", "score a whole card, folders or files"))
    add_doctor(add("doctor", "whether this trap can be left alone; exit code 1 where a part failed"))
    add_bench(add("bench", "what a frame costs on this machine"))
    return parser
