"""The running trap stays under 100 MB, whatever the size of a burst."""

import io
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODELS = Path(__file__).parents[2] / "models"
LIMIT_MB = 100
# The trap takes as many threads as it is told that there are cores, on whatever machine.
TRAP = """
import os, sys
cores = set(range(int(sys.argv.pop(1))))
os.sched_getaffinity = lambda process: cores
from uncia_edge.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def thirty_frames(tmp_path: Path) -> Path:
    """A trap's folder with two bursts of thirty JPEGs of 12 megapixels and 5 MB, in which something walks."""
    burst = tmp_path / "in" / "burst"
    burst.mkdir(parents=True)
    soft = Image.fromarray(np.random.default_rng(2).integers(40, 200, (30, 40, 3), dtype=np.uint8))
    ground = soft.resize((4000, 3000), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((4000, 3000), 12)
    ground = Image.blend(ground, Image.merge("RGB", (grain, grain, grain)), 0.5)
    walking = []
    for left in (300, 1500, 2700):
        ground_with = ground.copy()
        ground_with.paste((235, 235, 235), (left, 1200, left + 900, 2100))
        out = io.BytesIO()
        ground_with.save(out, "jpeg", quality=96)
        walking.append(out.getvalue())
    for number in range(30):
        (burst / f"{number:02d}.jpg").write_bytes(walking[number % 3])
    shutil.copytree(burst, tmp_path / "in" / "next burst")
    bundle = MODELS / "snow-leopard-starter-2.uncia"
    (tmp_path / "trap.toml").write_text(
        f'trap = "ridge-1"\nbundle = "{bundle}"\n[camera]\nfolder = "in"\n[broker]\nport = 1\n'
    )
    return tmp_path


def peak_mb(folder: Path, cores: int) -> tuple[float, str]:
    """The most that /proc says of the trap until it has ended, in MB, and what the trap printed."""
    command = [sys.executable, "-c", TRAP, str(cores), "run", "--config", str(folder / "trap.toml"), "--wait-s", "0.1"]
    trap = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0
    while trap.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{trap.pid}/status").read_text())
        most = max(most, int(found[1]) if found else 0)
        time.sleep(0.02)
    assert trap.stdout is not None
    return most / 1024, trap.stdout.read()


@pytest.mark.parametrize("cores", [2, 4], ids=["two cores", "four cores"])
def test_a_burst_of_thirty_large_files_needs_less_than_100_mb(thirty_frames: Path, cores: int) -> None:
    """VmHWM of `uncia-trap run`: libraries, model, decoding and all."""
    size = min(file.stat().st_size for file in (thirty_frames / "in" / "burst").iterdir())
    most, said = peak_mb(thirty_frames, cores)
    print(f"{size / 1e6:.2f} MB a file, {most:.1f} MB at most: {said}")
    assert (size > 4_800_000, said.count("30 frames"), 30 < most < LIMIT_MB) == (True, 2, True)
