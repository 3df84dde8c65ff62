"""The running trap stays under 100 MB, whatever the size of a burst."""

import io
import itertools
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
UNIT = (MODELS.parent / "systemd/uncia-trap.service").read_text()
# Sets the number of cores that the trap sees, so that it starts that many threads on any machine.
TRAP = """
import os, sys
cores = set(range(int(sys.argv.pop(1))))
os.sched_getaffinity = lambda process: cores
from uncia_edge.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def thirty_frames(tmp_path: Path) -> Path:
    """A trap's folder with two bursts of thirty JPEGs of 12 megapixels and 5 MB, with a moving object."""
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
    """The peak memory of the trap in MB from /proc, and its output."""
    command = [sys.executable, "-c", TRAP, str(cores), "run", "--config", str(folder / "trap.toml"), "--wait-s", "0.1"]
    trap = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0.0
    while trap.poll() is None:
        most = max(most, high_water_mb(trap.pid))
        time.sleep(0.02)
    assert trap.stdout is not None
    return most, trap.stdout.read()


def high_water_mb(process: int) -> float:
    """VmHWM of a process; 0 once it has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.parametrize("cores", [2, 4], ids=["two cores", "four cores"])
def test_a_burst_of_thirty_large_files_needs_less_than_100_mb(thirty_frames: Path, cores: int) -> None:
    """VmHWM of `uncia-trap run`, with libraries, model and decoding."""
    size = min(file.stat().st_size for file in (thirty_frames / "in" / "burst").iterdir())
    most, said = peak_mb(thirty_frames, cores)
    print(f"{size / 1e6:.2f} MB a file, {most:.1f} MB at most: {said}")
    assert (size > 4_800_000, said.count("30 frames"), 30 < most < LIMIT_MB) == (True, 2, True)


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Eight cameras' folders, in each a burst of twenty pictures of two megapixels, all of the same time."""
    ground = np.random.default_rng(3).integers(60, 180, (24, 32, 3), dtype=np.uint8)
    for camera, number in itertools.product(range(8), range(20)):
        picture = Image.fromarray(np.roll(ground, number + 20 * camera, 1)).resize((1600, 1200))
        (folder := tmp_path / "in" / f"cam{camera}").mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0132] = f"2026:03:01 05:30:{number:02d}"
        picture.save(folder / f"{number:02d}.jpg", quality=92, exif=exif)
    (tmp_path / "trap.toml").write_text(
        f'trap = "ridge-1"\nbundle = "{MODELS / "snow-leopard-starter-2.uncia"}"\n[camera]\nkind = "watched"\n'
        'folder = "in"\nper_folder = true\nquiet_s = 1\nsettle_s = 0.2\n[broker]\nport = 1\n'
    )
    return tmp_path


def test_a_hub_of_eight_cameras_stays_within_the_units_memory(hub: Path) -> None:
    """Until the last of them is decided; the unit allows what its MemoryMax says."""
    [allowed] = re.findall(r"^MemoryMax=(\d+)M", UNIT, re.MULTILINE)
    with (hub / "said").open("w") as said:
        trap = subprocess.Popen(
            [sys.executable, "-c", TRAP, "2", "run", "--config", str(hub / "trap.toml")], stdout=said
        )
        most, deadline_s = 0.0, time.monotonic() + 120
        while (hub / "said").read_text().count("20 frames") < 8 and time.monotonic() < deadline_s:
            most = max(most, high_water_mb(trap.pid))
            time.sleep(0.02)
        trap.terminate()
        trap.wait(60)
    print(f"{most:.1f} MB at most")
    assert ((hub / "said").read_text().count("20 frames"), 30 < most < int(allowed)) == (8, True)
