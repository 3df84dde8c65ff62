"""The command `uncia-simulate`: reads the command line, replays, prints, exits.

Exit codes: 0 done; 1 a positive sequence was not delivered, or a file or folder could not be read; 2 a mistake in input
or environment, printed in one line.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from uncia_contract.cli.arguments import ZONE_HELP, zone
from uncia_contract.cli.command_line import program, run_command
from uncia_contract.errors import DataError, StorageError
from uncia_contract.pictures.jpeg import is_unreadable
from uncia_simulation.outcome import outcome, print_outcome
from uncia_simulation.simulate import CATALOGUE, Plan, Replay, simulate

PACKAGED = Path(__file__).resolve().with_name("models")  # in a wheel; a clone has them in its own folder
MODELS = PACKAGED if PACKAGED.is_dir() else Path(__file__).resolve().parents[2] / "models"
DEMO, STARTER = MODELS / "rendered-demo-1.uncia", MODELS / "snow-leopard-starter-2.uncia"
EXAMPLES = """examples:
  uncia-simulate                                          rendered bursts, demonstration bundle
  uncia-simulate --bursts DIR --bundle models/snow-leopard-starter-2.uncia --json out.json
                                                          your own: each folder of pictures in DIR is a burst; below
                                                          DCIM, times decide which pictures form a burst
  uncia-simulate render --out DIR                         only render the bursts
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run_command(_parser(), argv, logging.WARNING)


def _parser() -> argparse.ArgumentParser:
    parser, add = program(
        "uncia-simulate",
        "Replays recorded bursts through the trap's own code, a broker and the collector, on one machine.",
        EXAMPLES,
        required=False,
    )
    parser.add_argument(
        "--bursts", type=Path, metavar="DIR", help="folder with a folder for each burst, or cards (default: rendered)"
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE", help="the bundle (default: starter with --bursts, else demonstration)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for trap and catalogue (out/<time>)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome as JSON to this file")
    parser.add_argument("--broker", metavar="HOST:PORT", help="use this broker (default: start one)")
    parser.add_argument(
        "--strips", metavar="TOP,BOTTOM", default="0,0", help="burnt-in strips, fractions of the height"
    )
    parser.add_argument("--utc-offset", type=zone, metavar="ZONE", help=ZONE_HELP)
    parser.set_defaults(run=_simulate)
    render = add("render", "render bursts without replaying them")
    render.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    render.add_argument("--training", action="store_true", help="render a labelled training set instead of six bursts")
    render.add_argument("--seed", type=int, default=7, help="seed of the renderer (7)")
    render.set_defaults(run=_render)
    return parser


def _render(arguments: argparse.Namespace) -> int:
    from uncia_simulation.scenes import render_bursts, render_training_set

    if arguments.training:
        print(render_training_set(arguments.out, arguments.seed))
    else:
        render_bursts(arguments.out, arguments.seed)
        print(arguments.out)
    return 0


def _simulate(arguments: argparse.Namespace) -> int:
    console = Console()
    out = arguments.out or Path("out") / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    with tempfile.TemporaryDirectory(prefix="uncia-rendered-") as rendered:
        bursts = arguments.bursts or _rendered(Path(rendered), console)
        bundle = arguments.bundle or (STARTER if arguments.bursts else DEMO)
        broker, strips = _address(arguments.broker), _strips(arguments.strips)
        plan = Plan(bursts, bundle, _made(out), broker, strips, zone=arguments.utc_offset or UTC)
        replay = _replay(plan)
        result = outcome(replay, bursts)
    if arguments.json:
        _write(arguments.json, json.dumps(result, indent=1) + "\n")
    print_outcome(result, console)
    console.print(f"Catalogue: {out / CATALOGUE}", highlight=False)
    console.print(f"  .venv/bin/uncia-collect list --data {out / CATALOGUE}", highlight=False, soft_wrap=True)
    if arguments.bursts and arguments.utc_offset is None:
        console.print("Times without a zone were read as UTC; set another zone with --utc-offset.", highlight=False)
    if arguments.bursts is None:
        console.print(
            "These were rendered scenes, with a demonstration bundle that was trained on rendered scenes. "
            "To replay real bursts with the starter bundle:\n"
            "  .venv/bin/uncia-simulate --bursts DIR --bundle models/snow-leopard-starter-2.uncia",
            highlight=False,
            soft_wrap=True,
        )
    for line in result["unreadable"]:
        print(line, file=sys.stderr)
    for line in replay.pictures.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return _exit_code(result)


def _exit_code(result: dict[str, Any]) -> int:
    delivered = result["totals"]["delivered"] == result["totals"]["positive"]
    unread = result["unreadable"] or any(is_unreadable(failure["reason"]) for failure in result["failures"])
    return 0 if delivered and not unread else 1


def _rendered(folder: Path, console: Console) -> Path:
    from uncia_simulation.scenes import render_bursts

    with console.status("rendering six bursts"):
        render_bursts(folder)
    return folder


def _replay(plan: Plan) -> Replay:
    bars = Progress(TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    with bars:
        tasks = {name: bars.add_task(name, total=None) for name in ("bursts", "delivered")}
        return simulate(plan, lambda step, done, total: bars.update(tasks[step], completed=done, total=total))


def _made(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: cannot be made ({error.strerror})") from error
    return out


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise DataError(f"--broker {text}: expected HOST:PORT, such as 127.0.0.1:1883")
    return host, int(port)


def _strips(text: str) -> tuple[float, float]:
    try:
        top, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(
            f"--strips {text}: expected TOP,BOTTOM in fractions of the height, such as 0.02,0.05"
        ) from error
    if not (0 <= top < 0.5 and 0 <= bottom < 0.5):
        raise DataError(f"--strips {text}: expected fractions from 0 up to 0.5")
    return top, bottom


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error
