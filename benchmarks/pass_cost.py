"""Processor and wall seconds of a pass (`uncia-trap pass`) with 0, 10 and 100 new bursts, including its start.

Each pass is a process of its own, with a real Mosquitto and a real collector. Every burst has three pictures of two
megapixels, and is positive and delivered, which is the slowest case. Only the first pass runs the bundle's probes. From
the passes with 0 and 10 bursts follows an ESTIMATE of the watt-hours of a day:

    Wh = 24 h x off_w + passes x (boot_s + fresh_s + slower x (start_s + bursts x burst_s)) x busy_w / 3600

It is an estimate: nothing was measured on a Raspberry Pi, and no power was measured at all. Inputs, each an option:
`busy_w` 5.0: a Pi 4 with all four cores busy (practical-tips.com, on the power consumption of a Pi 4, which gives about
2.5 W at rest). A Zero 2 W takes 0.6 W at rest (cnx-software.com, 2021-12-09), and is slower.
`boot_s` 30, `slower` 4 (a Pi 4 compared with this machine), `off_w` 0.02 (a power board): assumptions; use your own.
`fresh_s` 12: the pass waits until a burst that has just been taken has ended (the bundle's gap and two seconds).

    python benchmarks/pass_cost.py models/snow-leopard-starter-1.uncia [--triggers 50]
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from trap_memory import base_station, eager, pictures

FRAMES, GOAL_WH = 3, 5.0
CONFIGURATION = """
trap = "ridge-1"
bundle = "{bundle}"
[camera]
kind = "watched"
folder = "DCIM"
quiet_s = 0.5
settle_s = 0.2
[broker]
port = {port}
"""


@dataclass(frozen=True)
class Cost:
    """The bursts that one pass decided, and its wall and processor seconds."""

    bursts: int
    wall_s: float
    cpu_s: float


def put(folder: Path, sources: list[Path], count: int, first: int) -> None:
    """Write that many bursts whose files are old enough to be complete."""
    chance = random.Random(first)
    for burst in range(first, first + count):
        for n, source in enumerate(chance.sample(sources, FRAMES)):
            path = folder / f"{burst:05d}-{n}.JPG"
            path.write_bytes(
                source.read_bytes() + burst.to_bytes(4, "big") + bytes([n])
            )  # so that no picture was seen before
            os.utime(path, (1e9 + 100 * burst + n,) * 2)
    time.sleep(1.0)


def one_pass(folder: Path, bursts: int) -> Cost:
    """Run one pass as a process; return its cost."""
    code = "import sys; from uncia_edge.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "pass", "--config", str(folder / "trap.toml"), "--for-s", "600"]
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(bursts, round(wall_s, 2), round(spent, 2))


def measure(bundle: Path, folder: Path) -> list[Cost]:
    """Run the first pass, then passes with 0, 10 and 100 bursts; return their costs."""
    sources, watched = pictures(folder), folder / "DCIM"
    watched.mkdir()
    with base_station(folder) as port:
        (folder / "trap.toml").write_text(CONFIGURATION.format(bundle=eager(bundle, folder), port=port))
        costs = [one_pass(folder, 0)]
        for number, bursts in enumerate((0, 10, 100)):
            put(watched, sources, bursts, 1000 * number)
            costs.append(one_pass(folder, bursts))
        shutil.rmtree(watched)
    return costs


def main() -> int:
    """Print the figures; return 1 if the estimate is above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    for name, value in (
        *(("triggers", 50.0), ("bursts", 1.0), ("busy-w", 5.0), ("boot-s", 30.0), ("fresh-s", 12.0)),
        *(("slower", 4.0), ("off-w", 0.02)),
    ):
        parser.add_argument(f"--{name}", type=float, default=value, help=f"({value:g})")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        first, nothing, ten, hundred = measure(given.bundle, Path(name))
    burst_s = (ten.wall_s - nothing.wall_s) / ten.bursts
    awake_s = given.boot_s + given.fresh_s + given.slower * (nothing.wall_s + given.bursts * burst_s)
    wh = 24 * given.off_w + given.triggers * awake_s * given.busy_w / 3600
    told = {f"{cost.bursts} bursts": [cost.wall_s, cost.cpu_s] for cost in (nothing, ten, hundred)}
    print(json.dumps({"first pass": [first.wall_s, first.cpu_s], **told, "columns": ["wall s", "processor s"]}))
    print(
        f"estimate: {awake_s:.0f} s awake a trigger, {wh:.1f} Wh a day at {given.triggers:g} triggers (goal {GOAL_WH})"
    )
    return int(wh > GOAL_WH)


if __name__ == "__main__":
    sys.exit(main())
