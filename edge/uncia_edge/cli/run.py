"""`uncia-trap run`: observes, scores and delivers until the recording or the service ends."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from uncia_contract.errors import BrokerError, DataError
from uncia_contract.files import private_files
from uncia_edge.outbox.state_folder import claimed
from uncia_edge.scoring.observer import Observation
from uncia_edge.service.runtime import Runtime
from uncia_edge.service.sleep import nap
from uncia_edge.service.watchdog import notify
from uncia_edge.settings import TrapSettings, read_settings


def add_run(run: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    run.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    run.add_argument(
        "--wait-s", type=float, default=60.0, metavar="S", help="how long to wait for deliveries after a recording (60)"
    )
    run.set_defaults(run=run_trap)


def run_trap(arguments: argparse.Namespace) -> int:
    """Observe, and sleep as planned; return 0 when the recording or the service has ended."""
    settings = read_settings(arguments.config)
    while (is_asleep := _watch_once(settings, arguments.wait_s)) is not None:
        ended = threading.Event()
        on_termination(ended.set)
        nap(is_asleep, ended.wait, lambda: notify("WATCHDOG=1"))
        if ended.is_set():
            break
    return 0


def on_termination(act: Callable[[], object]) -> None:
    """Call `act` on SIGTERM (only from the main thread)."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: act())


def _watch_once(settings: TrapSettings, wait_s: float) -> Callable[[], bool] | None:
    """Observe until the recording, the service or the waking hours end.

    Returns:
        None to end; before a planned sleep, a function that tells whether the sleep is going on.
    """
    with private_files(), claimed(Path(settings.state)), Runtime(settings) as runtime:
        on_termination(runtime.stop)
        runtime.run(print_observation)
        if runtime.stopped:
            if runtime.asleep_until is None:
                return None
            notify(f"STATUS=planned sleep until {runtime.asleep_until:%Y-%m-%d %H:%M} UTC")
            return runtime.is_asleep
        if not runtime.wait_delivered(wait_s):
            waiting = len(runtime.outbox.queries.waiting())
            where = f"{settings.broker.host}:{settings.broker.port}"
            link = "no receipt from the collector" if runtime.delivery.connected else f"no broker at {where}"
            raise BrokerError(
                f"{waiting} sequences not delivered within {wait_s:g} s ({link}); "
                f"nothing is lost, they wait in {settings.state} for the next run"
            )
        if runtime.unreadable:
            raise DataError(f"{'; '.join(runtime.unreadable)}; all else was played")
    return None


def print_observation(observation: Observation) -> None:
    """Print a line for a sequence, and one for each file that failed."""
    for failure in observation.failures:
        print(f"{failure.file}: {failure.reason}", file=sys.stderr)
    record = observation.record
    if record is not None:
        verdict = "POSITIVE" if record.positive else "negative"
        bound = "<=" if record.upper_bound else "  "
        test = "  TEST" if record.test else ""
        score = f"{bound}{record.confidence:.3f}"
        print(f"{record.id}  {len(record.frames):3d} frames  {score}  {verdict}{test}", flush=True)
