"""`uncia-trap doctor`: whether this trap can be left alone, a line a part.

Decides which parts are looked at, and in which order.
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
    """The arguments of `doctor`."""
    doctor.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    doctor.add_argument(
        "--clock-is-right",
        action="store_true",
        help="you have compared this machine's clock with your own: trust it, and an RTC that tells the same",
    )
    doctor.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Prints a line a part; 1 where one failed."""
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
    """Each part's line, as soon as it is known."""
    yield trap_checks.camera_line(settings)
    yield trap_checks.runtime_line(settings)
    yield trap_checks.bundle_line(settings)
    yield trap_checks.delegate_line(settings)
    yield from trap_checks.disk_lines(settings)
    yield trap_checks.clock_line(now())
    shown = replace(settings, broker=renewal_of(settings).broker)  # with a renewed certificate where there is one
    yield from certificate_checks.lines(shown, now().now)
    yield from broker_checks.lines(shown)


def _note_clock(clock: Clock, state: str) -> None:
    try:
        clock.is_right()
    except OSError as error:
        raise StorageError(f"state {state}: {error.strerror}; start the trap once, and ask as root") from error


def exit_code(lines: list[Line]) -> int:
    """0 when nothing failed (warnings may stand), else 1."""
    return int(any(line.status == "failed" for line in lines))
