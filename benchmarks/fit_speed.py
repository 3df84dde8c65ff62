"""Seconds of `uncia-train fit` on pictures of bursts without a cache, compared with an older commit.

    python benchmarks/fit_speed.py --backbone-dir runs/demo/backbone [--old COMMIT] [--bursts 60] [--rounds 2]

Each burst has five rendered pictures of 2048 x 1536, with motion in two of three bursts. The older commit runs from a
git worktree. The two run alternately, and the best time of each counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
BEFORE = "07a26c8"  # the last commit with a trainer in `fit` and another in `compare`
FRAMES, SIZE = 5, (2048, 1536)


def render(folder: Path, bursts: int) -> Path:
    """Render a data set of bursts: hills of one place, noise, and a walking animal."""
    lines = ["file,label,sequence,location"]
    for burst in range(bursts):
        chance = np.random.default_rng(burst)
        hills = Image.fromarray(chance.integers(50, 160, (48, 64, 3), dtype=np.uint8)).resize(SIZE)
        kind = ("cat", "goat", "blank")[burst % 3]
        for number in range(FRAMES):
            picture = np.asarray(hills) + chance.integers(0, 12, (*SIZE[::-1], 3), dtype=np.uint8)
            left, top = 150 + 300 * number, 400 + 40 * (burst % 9)
            if kind != "blank":
                picture[top : top + 220, left : left + 280] = (60, 25, 20) if kind == "cat" else (20, 45, 25)
            name = f"{burst}-{number}.jpg"
            Image.fromarray(picture).save(folder / name, quality=85)
            lines.append(f"{name},{kind},s{burst},p{burst // 3}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


def seconds(tree: Path, data: Path, backbone: Path) -> float:
    """The seconds of one fit with that tree's code, from start to exit."""
    packages = ("contract", "backbones", "edge", "training", "converter", "collector", "simulation")
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(str(tree / package) for package in packages)}
    with tempfile.TemporaryDirectory() as folder:
        line = ["fit", "--data", str(data), "--positive", "cat", "--backbone-dir", str(backbone.resolve())]
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "uncia_training", *line, "--out", f"{folder}/run"],
            cwd=tree, env=surroundings, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.monotonic() - begun


def main() -> None:
    """Print a line for each round, and the ratio of the best times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone-dir", type=Path, required=True)
    parser.add_argument("--old", default=BEFORE, help="commit to compare with (%(default)s)")
    parser.add_argument("--bursts", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old, data = Path(folder) / "old", Path(folder) / "data"
        data.mkdir()
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(old), arguments.old], check=True)
        try:
            table, took = render(data, arguments.bursts), []
            for _ in range(arguments.rounds):
                took.append([seconds(tree, table, arguments.backbone_dir) for tree in (old, ROOT)])
                print(f"{arguments.bursts * FRAMES} pictures: {took[-1][0]:.1f} s before, {took[-1][1]:.1f} s now")
        finally:
            subprocess.run([*git, "remove", "--force", str(old)], check=True)
    before, now = (min(column) for column in zip(*took, strict=True))
    print(f"{before / now:.2f} times as fast")


if __name__ == "__main__":
    main()
