"""`uncia-trap`: reads the command line, runs the trap, exits.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
"""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from uncia_contract.cli.command_line import add_command, run_command
from uncia_contract.errors import BrokerError
from uncia_edge.cli.field_commands import add_bench, add_doctor
from uncia_edge.cli.score import add_score
from uncia_edge.outbox.state_folder import MEMORY, claimed
from uncia_edge.scoring.observer import Observation
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.service.runtime import Runtime
from uncia_edge.service.sleep import nap
from uncia_edge.service.watchdog import notify
from uncia_edge.settings import TrapSettings, read_settings

EXAMPLES = """examples:
  uncia-trap doctor --config trap.toml            whether this trap can be left alone
  uncia-trap run --config trap.toml               observe, decide, deliver; ends with a recording, else with Ctrl-C
  uncia-trap run --config trap.toml --wait-s 300  give deliveries five minutes after a recording has ended
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
    parser = argparse.ArgumentParser(
        prog="uncia-trap",
        description="The trap: decides which bursts are worth sending, and sends them until they have arrived.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = partial(add_command, parser.add_subparsers(required=True, metavar="COMMAND"), examples=EXAMPLES)
    run = add("run", "observe, decide, deliver")
    run.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    run.add_argument(
        "--wait-s", type=float, default=60.0, metavar="S", help="patience for deliveries after a recording (60)"
    )
    run.set_defaults(run=_run)
    log = add("log", "why each burst was kept or not")
    log.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    log.add_argument("--last", type=int, default=20, metavar="N", help="so many of the newest (20)")
    log.add_argument("--positive", action="store_true", help="only what was kept")
    log.add_argument("--json", action="store_true", help="JSON lines, as they are stored")
    log.set_defaults(run=_log)
    add_score(add("score", "score a whole card, folders or files"))
    add_doctor(add("doctor", "whether this trap can be left alone; exit code 1 where a part failed"))
    add_bench(add("bench", "what a frame costs on this machine"))
    return parser


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config)
    while (until := _watch_once(settings, arguments.wait_s)) is not None:
        notify(f"STATUS=planned sleep until {until:%Y-%m-%d %H:%M} UTC")
        ended = threading.Event()
        _on_termination(ended.set)
        nap((until - datetime.now(UTC)).total_seconds(), ended.wait, lambda: notify("WATCHDOG=1"))
        if ended.is_set():
            break
    return 0


def _on_termination(act: Callable[[], object]) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: act())


def _watch_once(settings: TrapSettings, wait_s: float) -> datetime | None:
    """Observe until the recording, the service or the day's watch ends; when to watch again, None for never."""
    with claimed(Path(settings.state)), Runtime(settings) as runtime:
        _on_termination(runtime.stop)
        runtime.run(_print)
        if runtime.stopped:
            return runtime.asleep_until
        if not runtime.wait_delivered(wait_s):
            waiting = len(runtime.outbox.waiting())
            where = f"{settings.broker.host}:{settings.broker.port}"
            link = "no receipt from the collector" if runtime.delivery.connected else f"no broker at {where}"
            raise BrokerError(
                f"{waiting} sequences not delivered within {wait_s:g} s ({link}); "
                f"nothing is lost, they wait in {settings.state} for the next run"
            )
    return None


def _log(arguments: argparse.Namespace) -> int:
    state = Path(read_settings(arguments.config).state)
    entries = [entry for folder in (state, MEMORY) for entry in DecisionLog(folder).read()]
    if not entries:
        print(f"uncia-trap: no burst was decided on yet; looked in {state}", file=sys.stderr)
    kept = [entry for entry in entries if entry.get("positive") or not arguments.positive]
    for entry in kept[max(0, len(kept) - arguments.last) :]:
        print(json.dumps(entry) if arguments.json else _explained(entry))
    return 0


def _explained(entry: dict[str, Any]) -> str:
    verdict = "POSITIVE" if entry.get("positive") else "negative"
    scores = " ".join("-" if score is None else f"{score:.2f}" for score in entry.get("scores", []))
    failures = f"; failures: {', '.join(entry['failures'])}" if entry.get("failures") else ""
    who = f"{entry.get('at', '?')}  {entry.get('id', entry['burst'])}"
    return f"{who}  {verdict}  {entry['reason']}  [{scores}]{failures}"


def _print(observation: Observation) -> None:
    for failure in observation.failures:
        print(f"{failure.file}: {failure.reason}", file=sys.stderr)
    record = observation.record
    if record is not None:
        verdict = "POSITIVE" if record.positive else "negative"
        bound = "<=" if record.upper_bound else "  "
        print(f"{record.id}  {len(record.frames):3d} frames  {bound}{record.confidence:.3f}  {verdict}", flush=True)
