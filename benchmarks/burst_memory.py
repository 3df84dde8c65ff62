"""Peak memory of the running trap (`uncia-trap run`) on one burst of 12-megapixel JPEGs: thirty of them, then ten.

    python benchmarks/burst_memory.py BUNDLE [--frames 30 10]

The bundle's threshold is set to 0, so that every frame is scored and stored in the outbox. If the bundle has second
looks, half of the frames get one: the limit for them is set to the median score. There are two bursts: a large animal
(regions are decoded at half scale) and one as small as regions can be (full scale). The figure is VmHWM of /proc, read
until the process ends; it includes shared libraries.
"""

import argparse
import io
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

QUALITY = 97
GOAL_MB = 100.0
TRAP = "import sys; from uncia_edge.cli.main import main; sys.exit(main())"
RENDER = "import sys; sys.path.insert(0, {here!r}); import burst_memory; burst_memory.render(*sys.argv[1:])"


def render(folder: str, frames: str, side: str) -> None:
    """Render frames with a moving bright square of that many pixels, in a process of its own."""
    from PIL import Image

    from uncia_edge.cli.bench import bench_picture

    base = Image.open(io.BytesIO(bench_picture())).convert("RGB")
    for step in range(int(frames)):
        frame = base.copy()
        left = 300 + step * (2400 // int(frames))
        frame.paste((235, 235, 235), (left, 1200, left + int(side), 1200 + int(side)))
        frame.save(Path(folder) / f"{step:02d}.jpg", quality=QUALITY)


def all_positive(bundle: Path, burst: Path, out: Path) -> None:
    """A copy of the bundle for which every burst is positive and half of this burst's frames get a second look."""
    from msgspec.structs import replace

    from uncia_contract.bursts.decisions import DecisionRule
    from uncia_contract.model.bundle import read_bundle, write_bundle
    from uncia_contract.model.classifier import Classifier
    from uncia_contract.scoring.score_burst import score_burst

    whole = read_bundle(bundle)
    manifest = replace(whole.manifest, decision_rule=DecisionRule(0.0))
    if rule := manifest.second_look:
        verdict = score_burst(
            [file.read_bytes for file in sorted(burst.iterdir())], Classifier(whole), every_frame=True
        )
        sighted = median(frame.score or 0.0 for frame in verdict.frames) if verdict else 0.0
        manifest = replace(manifest, looks_again=replace(rule, sighted=sighted))
    out.write_bytes(write_bundle(manifest, whole.members))


def peak_mb(folder: Path) -> tuple[float, str]:
    """Run a trap in that folder; return its peak memory in MB and its output."""
    command = [sys.executable, "-c", TRAP, "run", "--config", str(folder / "trap.toml"), "--wait-s", "1"]
    trap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    most = 0
    while trap.poll() is None:
        status = Path(f"/proc/{trap.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        most = max(most, int(found[1])) if found else most
        time.sleep(0.02)
    assert trap.stdout is not None
    return most / 1024, trap.stdout.read().strip()


def measure(bundle: Path, frames: int, side: int) -> float:
    """Measure and print the peak megabytes for one rendered burst."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        burst = folder / "in" / "burst"
        burst.mkdir(parents=True)
        command = [
            sys.executable,
            "-c",
            RENDER.format(here=str(Path(__file__).parent)),
            str(burst),
            str(frames),
            str(side),
        ]
        subprocess.run(command, check=True)
        all_positive(bundle, burst, folder / "all.uncia")
        (folder / "trap.toml").write_text(
            'trap = "ridge-1"\nbundle = "all.uncia"\n[camera]\nfolder = "in"\n[broker]\nport = 1\n'
        )
        size = sum(file.stat().st_size for file in burst.iterdir()) / frames / 1e6
        most, said = peak_mb(folder)
    print(f"{frames} frames of {size:.1f} MB, animal {side} pixels wide: {most:.1f} MB "
          f"(under {GOAL_MB:g}: {'met' if most < GOAL_MB else 'SHORT'}; {said})", flush=True)  # fmt: skip
    return most


def main() -> int:
    """Measure all bursts; return 1 if one needs more than the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[30, 10], metavar="N")
    arguments = parser.parse_args()
    most = max(measure(arguments.bundle, frames, side) for frames in arguments.frames for side in (900, 300))
    return int(most >= GOAL_MB)


if __name__ == "__main__":
    sys.exit(main())
