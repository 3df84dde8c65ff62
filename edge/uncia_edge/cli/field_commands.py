"""`uncia-trap doctor` and `uncia-trap bench`: what they read and print."""

import argparse
from pathlib import Path

from uncia_contract.cli.arguments import amount, whole
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_edge.cli.bench import QUALITY, bench_picture, measure, watt_hours_a_day
from uncia_edge.cli.doctor import examine, exit_code
from uncia_edge.scoring.memory import forget_peak, peak_mb, return_large_blocks
from uncia_edge.settings import read_settings


def add_doctor(doctor: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    doctor.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    doctor.set_defaults(run=run_doctor)


def add_bench(bench: argparse.ArgumentParser) -> None:
    """The arguments of `bench`."""
    bench.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle to run")
    bench.add_argument("--threads", type=whole(0), default=0, metavar="N", help="of the model (as on the trap)")
    bench.add_argument("--repeats", type=whole(1), default=30, metavar="N", help="of each step (30)")
    bench.add_argument(
        "--busy-w", type=amount, default=4.0, metavar="W", help="power while scoring, as you know it (4.0)"
    )
    bench.add_argument("--idle-w", type=amount, default=2.0, metavar="W", help="power while waiting (2.0)")
    bench.add_argument("--frames-a-day", type=whole(0), default=2000, metavar="N", help="what the trap sees (2000)")
    bench.set_defaults(run=run_bench)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Prints a line a part; 1 where one failed."""
    lines = []
    for line in examine(read_settings(arguments.config)):
        print(line, flush=True)
        lines.append(line)
    return exit_code(lines)


def run_bench(arguments: argparse.Namespace) -> int:
    """Prints the table."""
    return_large_blocks()  # as the trap does
    bundle, picture = read_bundle(arguments.bundle), bench_picture()
    forget_peak()  # the rendering's
    print(
        f"{bundle.manifest.name} {bundle.manifest.version}, {Classifier(bundle, arguments.threads).info}; "
        f"4000 x 3000 JPEG, {len(picture) / 1e6:.1f} MB, quality {QUALITY}"
    )
    steps = measure(bundle, picture, arguments.threads, arguments.repeats)
    print("step      median ms    p95 ms")
    for step in steps:
        print(f"{step.name:8s} {step.median_ms:10.3f} {step.p95_ms:9.3f}")
    frame_s = steps[-1].median_ms / 1000
    energy = watt_hours_a_day(frame_s, arguments.frames_a_day, arguments.busy_w, arguments.idle_w)
    print(f"{1 / frame_s:.1f} frames a second in a burst of ten, regions included; {peak_mb():.0f} MB resident at most")
    print(
        f"{energy:.1f} Wh a day for {arguments.frames_a_day} frames, if {arguments.busy_w:g} W busy and "
        f"{arguments.idle_w:g} W idle hold (stated, not measured)"
    )
    return 0
