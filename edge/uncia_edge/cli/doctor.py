"""`uncia-trap doctor`: checks each part of a trap and prints a line for it.

Decides which parts are checked, and in which order.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from uncia_contract.errors import StorageError
from uncia_edge.cli import broker_checks, certificate_checks, trap_checks
from uncia_edge.cli.trap_checks import Line
from uncia_edge.clock import Clock, Reading, read_clock
from uncia_edge.service.renewal import renewal_of
from uncia_edge.settings import TrapSettings, read_settings


def add_doctor(doctor: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    doctor.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    doctor.add_argument(
        "--clock-is-right",
        action="store_true",
        help="you compared this machine's clock with your own: trust it, and an RTC that has the same time",
    )
    doctor.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Check all parts and print their lines; return 1 if one failed, else 0."""
    lines = []
    settings = read_settings(arguments.config)
    clock = Clock(Path(settings.state))
    if arguments.clock_is_right:
        _note_clock(clock, settings.state)
    for line in examine(settings, clock.read):
        print(line, flush=True)
        lines.append(line)
    return exit_code(lines)


def examine(settings: TrapSettings, now: Callable[[], Reading] = read_clock) -> Iterator[Line]:
    """Yield each part's line as soon as it is known."""
    yield trap_checks.camera_line(settings)
    yield trap_checks.runtime_line(settings)
    yield trap_checks.bundle_line(settings)
    yield trap_checks.delegate_line(settings)
    yield from trap_checks.disk_lines(settings)
    yield trap_checks.clock_line(now())
    shown = replace(settings, broker=renewal_of(settings).broker)  # with the renewed certificate, if there is one
    yield from certificate_checks.lines(shown, now().now)
    yield from broker_checks.lines(shown)


def _note_clock(clock: Clock, state: str) -> None:
    try:
        clock.is_right()
    except OSError as error:
        raise StorageError(f"state {state}: {error.strerror}; start the trap once, and run this as root") from error


def exit_code(lines: list[Line]) -> int:
    """1 if a part failed, else 0 (also with warnings)."""
    return int(any(line.status == "failed" for line in lines))
