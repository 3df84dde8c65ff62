"""`uncia-trap`: reads the command line, runs the trap, exits.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from uncia_contract.errors import BrokerError, UnciaError
from uncia_edge.runtime import Runtime
from uncia_edge.settings import read_settings
from uncia_edge.trap import Observation

EXAMPLES = """examples:
  uncia-trap run --config trap.toml               observe, decide, deliver; ends with a recording, else with Ctrl-C
  uncia-trap run --config trap.toml --wait-s 300  give deliveries five minutes after a recording has ended
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        code: int = arguments.run(arguments)
    except UnciaError as error:
        print(f"uncia-trap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uncia-trap",
        description="The trap: decides which bursts are worth sending, and sends them until they have arrived.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="observe, decide, deliver", epilog=EXAMPLES,
                              formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    run.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    run.add_argument(
        "--wait-s", type=float, default=60.0, metavar="S", help="patience for deliveries after a recording (60)"
    )
    run.set_defaults(run=_run)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config)
    with Runtime(settings) as runtime:
        runtime.run(_print)
        if not runtime.wait_delivered(arguments.wait_s):
            waiting = len(runtime.outbox.waiting())
            where = f"{settings.broker.host}:{settings.broker.port}"
            link = "no receipt from the collector" if runtime.delivery.connected else f"no broker at {where}"
            raise BrokerError(
                f"{waiting} sequences not delivered within {arguments.wait_s:g} s ({link}); "
                f"nothing is lost, they wait in {settings.state} for the next run"
            )
    return 0


def _print(observation: Observation) -> None:
    for failure in observation.failures:
        print(f"{failure.file}: {failure.reason}", file=sys.stderr)
    record = observation.record
    if record is not None:
        verdict = "POSITIVE" if record.positive else "negative"
        bound = "<=" if record.upper_bound else "  "
        print(f"{record.id}  {len(record.frames):3d} frames  {bound}{record.confidence:.3f}  {verdict}", flush=True)
