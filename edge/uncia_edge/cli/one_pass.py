"""`uncia-trap pass`: scores and delivers what is in the watched folder, says when the next pass is, and ends.

For a Pi that is powered for minutes a day. Decides when a pass is over, and its exit code: 0 everything is scored and
delivered; 3 no link; 4 a link, but not everything was delivered in time; 5 not everything was scored.
"""

import argparse
import threading
import time
from pathlib import Path

from uncia_contract.cli.arguments import amount
from uncia_contract.errors import ConfigurationError
from uncia_contract.files import private_files
from uncia_edge.cli.run import on_termination, print_observation
from uncia_edge.outbox.state_folder import claimed
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import read_settings

DONE, NO_LINK, NOT_DELIVERED, NOT_DECIDED = 0, 3, 4, 5
_LOOK_S = 0.05


def add_pass(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `pass`."""
    command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    command.add_argument(
        "--for-s", type=amount, metavar="S", help="end after at most S seconds (passes.for_s of the configuration)"
    )
    command.add_argument(
        "--next-s", type=amount, metavar="S", help="the next pass starts S seconds after this one (passes.every_s)"
    )
    command.set_defaults(run=run_pass)


def run_pass(arguments: argparse.Namespace) -> int:
    """Run one pass; return the exit code that says why it ended."""
    began_s, settings = time.monotonic(), read_settings(arguments.config)
    if settings.camera.kind != "watched":
        raise ConfigurationError(f"[camera] kind: pass takes in a watched folder, got {settings.camera.kind}")
    until_s = began_s + (settings.passes.for_s if arguments.for_s is None else arguments.for_s)
    next_s = settings.passes.every_s if arguments.next_s is None else arguments.next_s
    with private_files(), claimed(Path(settings.state)), Runtime(settings, passes_every_s=next_s) as trap:
        on_termination(trap.stop)
        over = threading.Timer(max(0.0, until_s - time.monotonic()), trap.stop)
        over.daemon = True
        over.start()
        trap.run(print_observation)
        decided = trap.camera_is_idle
        code = _deliver(trap, until_s)
        over.cancel()
    return code if decided else NOT_DECIDED


def _deliver(trap: Runtime, until_s: float) -> int:
    """Wait until the outbox is empty and the state is published, or the time is over; return the exit code."""
    while trap.outbox.queries.waiting() or not trap.delivery.connected:
        if time.monotonic() >= until_s:
            return NOT_DELIVERED if trap.delivery.connected else NO_LINK
        time.sleep(_LOOK_S)
    trap.tell_state()
    while not trap.delivery.is_idle and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    return DONE
